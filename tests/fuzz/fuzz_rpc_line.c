/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The JSON socket: octets cut into pieces as the first of them says, lines, envelopes, parameters.
 */
#include "fuzz_keys.h"
#include "tw_rpc.h"

static char *
resize(void *arg, char *old, size_t old_size, size_t keep, size_t size)
{
	char *p = size ? malloc(size) : NULL;

	(void)arg;
	(void)old_size;
	if (size != 0 && keep != 0)
		memcpy(p, old, keep);
	free(old);
	return p;
}

static void
take_request(const struct tw_rpc_msg *msg, size_t i)
{
	static struct tw_args args;
	struct tw_rpc_req req;
	struct tw_rpc_err err = {0};
	struct tw_conf_err bad = {0};
	bool is_valid = tw_rpc_request(msg, i, &req, &err);

	CHECK(memchr(req.id, '\0', sizeof(req.id)) != NULL && req.id[0] != '\0');
	CHECK(strchr(req.id, '\n') == NULL);
	if (!is_valid) {
		CHECK(err.code == TW_RPC_E_REQUEST && err.text != NULL && err.reason != NULL);
		return;
	}
	CHECK(strlen(req.method) == req.method_len);
	if (tw_rpc_args(&req, fuzz_keys, FUZZ_KEY_CNT, &args, &bad))
		fuzz_check_args(&args);
	else
		fuzz_check_err(&bad);
}

static void
take_line(const char *line, size_t len)
{
	struct tw_rpc_msg msg;
	struct tw_rpc_err err = {0};

	CHECK(len <= TW_RPC_LINE_MAX && memchr(line, '\n', len) == NULL);
	if (!tw_rpc_parse(line, len, &msg, &err)) {
		CHECK(err.code != 0 && err.text != NULL && err.reason != NULL);
		return;
	}
	CHECK(msg.cnt >= 1 && msg.cnt <= TW_RPC_BATCH_MAX);
	for (size_t i = 0; i < msg.cnt; i++)
		take_request(&msg, i);
	tw_rpc_done(&msg);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void *mem;
	struct tw_rpc_lines l = {.resize = resize};
	size_t piece = size ? (size_t)data[0] + 1 : 1;

	if (mem == NULL) {
		mem = aligned_alloc(64, TW_RPC_MEM_SIZE);
		CHECK(mem != NULL);
		tw_rpc_init(mem, TW_RPC_MEM_SIZE, 1);
	}
	while (size > 0) {
		const char *line;
		size_t room, len;
		char *to = tw_rpc_lines_room(&l, &room);
		size_t n = size < piece ? size : piece;

		CHECK(to != NULL && room > 0);
		n = n < room ? n : room;
		memcpy(to, data, n);
		tw_rpc_lines_received(&l, n);
		data += n;
		size -= n;
		while (tw_rpc_lines_next(&l, &line, &len) == 1)
			take_line(line, len);
	}
	tw_rpc_lines_fini(&l);
	return 0;
}
