/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * A look over a JSON text that bounds what parsing it can cost. It accepts some texts that are no
 * JSON; the parser finds those.
 */
#include <string.h>

#include "rpc_i.h"

bool
rpc_refuse(struct tw_rpc_err *err, enum tw_rpc_code code, const char *reason, const char *text,
	const char *hint)
{
	err->code = code;
	err->reason = reason;
	err->text = text;
	err->hint = hint;
	return false;
}

/* Index behind the string that starts at @p i; @p len if it does not end. */
static size_t
skip_string(const char *p, size_t len, size_t i)
{
	for (i++; i < len; i++) {
		if (p[i] == '\\')
			i++;
		else if (p[i] == '"')
			return i + 1;
	}
	return len;
}

bool
rpc_scan(const char *p, size_t len, struct tw_rpc_err *err)
{
	unsigned depth = 0;
	unsigned tokens = 0;
	size_t i = 0;

	if (memchr(p, '\0', len) != NULL || !tw_conf_is_utf8(p, len))
		return rpc_refuse(err, TW_RPC_E_PARSE, "bad_text", "the line is not UTF-8 text",
			"send one JSON object in UTF-8 without NUL");
	while (i < len) {
		char c = p[i];

		if (c == '"') {
			i = skip_string(p, len, i);
			continue;
		}
		if (c == '{' || c == '[')
			depth++;
		else if ((c == '}' || c == ']') && depth > 0)
			depth--;
		tokens += c == '{' || c == '[' || c == ',' || c == ':';
		if (depth > TW_RPC_DEPTH_MAX)
			return rpc_refuse(err, TW_RPC_E_PARSE, "too_deep",
				"the JSON text is nested too deeply",
				"no method takes more than a few levels");
		if (tokens > TW_RPC_TOKEN_MAX)
			return rpc_refuse(err, TW_RPC_E_PARSE, "too_long",
				"the JSON text has too many values", "send smaller requests");
		i++;
	}
	return true;
}
