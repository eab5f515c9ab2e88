/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The table of errors.def, and which row a less common errno belongs to.
 */
#include <errno.h>

#include "errors.h"
#include "tw_base.h"

static const struct tw_error_row rows[] = {
#define TW_ERROR(err_, code_, reason_, help_)                                                      \
	{.err = (err_), .code = (code_), .reason = (reason_), .help = (help_)},
#include "errors.def"
#undef TW_ERROR
};

static const struct tw_error_row internal = {
	.err = 0,
	.code = -32603,
	.reason = "internal",
	.help = "a fault of the appliance; please report it",
};

/* Same meaning for the user, another errno from the system. */
static int
canonical(int err)
{
	switch (err) {
	case ENETUNREACH:
	case ENETDOWN:
	case EHOSTDOWN:
		return EHOSTUNREACH;
	case EPIPE:
	case ECONNABORTED:
		return ECONNRESET;
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case EDQUOT:
		return ENOSPC;
	case EBADMSG:
		return EKEYREJECTED;
	case ENOTSUP == EOPNOTSUPP ? EPROTONOSUPPORT:
	ENOTSUP:
	case EAFNOSUPPORT:
		return EOPNOTSUPP;
	case EALREADY:
	case EINPROGRESS:
		return EBUSY;
	case ERANGE:
	case EDOM:
		return EINVAL;
	default:
		return err;
	}
}

const struct tw_error_row *
tw_error_find(int res)
{
	int err = canonical(-res);

	for (size_t i = 0; i < TW_ARRAY_SIZE(rows); i++) {
		if (rows[i].err == err)
			return &rows[i];
	}
	return &internal;
}

const struct tw_error_row *
tw_error_rows(size_t *cnt)
{
	*cnt = TW_ARRAY_SIZE(rows);
	return rows;
}
