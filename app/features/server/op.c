/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The TWAMP-Control server: where it listens, who is connected, what it counted.
 */
#include <errno.h>
#include <stdio.h>

#include "app.h"
#include "io_ctl.h"
#include "ops.h"
#include "results.h"
#include "tw_mode.h"

static void
put_modes(struct tw_out *out, uint32_t modes)
{
	uint32_t bit;

	tw_out_arr(out, "modes");
	for (bit = 1; bit <= TW_MODE_SEC_MASK; bit <<= 1)
		if ((modes & bit) != 0)
			tw_out_str(out, NULL, tw_mode_name(bit));
	tw_out_arr_end(out);
}

static int
op_show(struct tw_app *app, const struct tw_args *args, struct tw_out *out)
{
	struct tw_ctl_srv_live live;
	struct tw_addr addr;
	uint16_t port;
	unsigned i;

	(void)args;
	tw_out_arr(out, "listeners");
	for (i = 0; tw_io_listen_at(tw_ctl_io_listeners(app->ctl_io), i, &addr, &port); i++) {
		tw_out_obj(out, NULL);
		tw_out_addr(out, "addr", &addr);
		tw_out_u64(out, "port", port, NULL);
		tw_out_obj_end(out);
	}
	tw_out_arr_end(out);
	put_modes(out, tw_ctl_io_cfg(app->ctl_io)->modes);
	tw_ctl_srv_live_get(tw_ctl_io_srv(app->ctl_io), &live);
	tw_out_u64(out, "connections", live.conns, NULL);
	tw_out_u64(out, "not_set_up", live.preauth, NULL);
	tw_out_u64(out, "key_derivations", live.kdf_jobs, NULL);
	tw_out_u64(out, "waiting_for_ike_sa", live.ike_waiters, NULL);
	tw_out_u64(out, "sessions", live.sessions, NULL);
	tw_out_u64(out, "keys", tw_keyring_count(app->keys), NULL);
	return 0;
}

static void
put_listener(struct tw_out *out, const struct tw_addr *addr, uint16_t port)
{
	tw_out_addr(out, "addr", addr);
	tw_out_u64(out, "port", port, NULL);
}

static int
op_listen(struct tw_app *app, const struct tw_args *args, struct tw_out *out)
{
	struct tw_addr addr = tw_args_addr(args, "addr");
	uint16_t port = (uint16_t)tw_args_u64(args, "port");
	char err[TW_CTL_IO_ERR_SIZE];
	int ret;

	ret = tw_io_listen_add(tw_ctl_io_listeners(app->ctl_io), &addr, port, err, sizeof(err));
	if (ret != 0)
		return tw_out_fail(out, ret, "addr", NULL, "%s", err);
	tw_ctl_io_listen_decided(app->ctl_io);
	put_listener(out, &addr, port);
	return 0;
}

static int
op_unlisten(struct tw_app *app, const struct tw_args *args, struct tw_out *out)
{
	struct tw_addr addr = tw_args_addr(args, "addr");
	uint16_t port = (uint16_t)tw_args_u64(args, "port");
	char text[TW_ADDR_STR_SIZE];
	bool was_decided = tw_ctl_io_is_listen_decided(app->ctl_io);

	/* before the start there is nothing yet: the line then says "not by default" */
	tw_ctl_io_listen_decided(app->ctl_io);
	if (tw_io_listen_remove(tw_ctl_io_listeners(app->ctl_io), &addr, port) != 0 &&
		(was_decided || atomic_load(&app->state) == TW_APP_RUNNING))
		return tw_out_fail(out, -ENOENT, "addr", "`show server` lists the listeners",
			"not listening on %s port %u", tw_addr_str(&addr, text), port);
	put_listener(out, &addr, port);
	return 0;
}

static void
put_conn(struct tw_out *out, uint32_t id, const struct tw_ctl_conn *conn)
{
	struct tw_ctl_conn_info info;

	tw_ctl_conn_info_get(conn, &info);
	tw_out_obj(out, NULL);
	tw_out_u64(out, "id", id, NULL);
	tw_out_str(out, "state", tw_ctl_conn_state_name(info.state));
	tw_out_str(out, "class", info.cls == TW_CTL_CLASS_TRUSTED ? "trusted" : "other");
	tw_out_str(out, "mode", info.mode != 0 ? tw_mode_name(info.mode) : NULL);
	tw_out_addr(out, "peer_addr", &info.peer);
	tw_out_u64(out, "peer_port", info.peer_port, NULL);
	tw_out_addr(out, "local_addr", &info.local);
	tw_out_str(out, "key_source",
		(info.mode & TW_MODE_IKEV2) != 0      ? "ikev2"
		: tw_mode_protects_control(info.mode) ? "passphrase"
						      : NULL);
	if (info.has_spis) {
		tw_results_spis(out, info.spis);
	} else {
		tw_out_null(out, "spi_i");
		tw_out_null(out, "spi_r");
	}
	tw_out_str(out, "user", info.key_id[0] != '\0' ? info.key_id : NULL);
	tw_out_u64(out, "reserved", info.reserved_cnt, NULL);
	tw_out_u64(out, "running", info.running_cnt, NULL);
	tw_out_u64(out, "draining", info.draining_cnt, NULL);
	tw_out_obj_end(out);
}

static int
op_connections(struct tw_app *app, const struct tw_args *args, struct tw_out *out)
{
	uint64_t limit = tw_args_u64(args, "limit"), cnt = 0;
	uint32_t id = (uint32_t)tw_args_u64(args, "cursor");
	const struct tw_ctl_conn *conn;

	tw_out_arr(out, "connections");
	for (conn = tw_ctl_io_conn_next(app->ctl_io, &id); conn != NULL && cnt < limit;
		id++, conn = tw_ctl_io_conn_next(app->ctl_io, &id), cnt++)
		put_conn(out, id, conn);
	tw_out_arr_end(out);
	if (conn != NULL)
		tw_out_u64(out, "next", id, NULL);
	else
		tw_out_null(out, "next");
	return 0;
}

static int
op_disconnect(struct tw_app *app, const struct tw_args *args, struct tw_out *out)
{
	uint32_t id = (uint32_t)tw_args_u64(args, "id");

	if (tw_ctl_io_conn_abort(app->ctl_io, id) != 0)
		return tw_out_fail(out, -ENOENT, "id", "`connections server` lists them",
			"no control connection %u", id);
	tw_out_u64(out, "id", id, NULL);
	return 0;
}

static int
op_counters(struct tw_app *app, const struct tw_args *args, struct tw_out *out)
{
	const struct tw_ctl_srv *srv = tw_ctl_io_srv(app->ctl_io);
	unsigned i, cls;

	(void)args;
	tw_out_obj(out, "counters");
	for (i = 0; i < TW_CTL_CTR_N; i++)
		tw_out_u64(out, tw_ctl_counter_name(i), tw_ctl_srv_counter(srv, i), NULL);
	tw_out_obj_end(out);
	for (cls = 0; cls < TW_CTL_CLASS_N; cls++) {
		tw_out_obj(out,
			cls == TW_CTL_CLASS_TRUSTED ? "limit_hits_trusted" : "limit_hits_other");
		for (i = 0; i < TW_CTL_LIMIT_N; i++)
			tw_out_u64(out, tw_ctl_limit_knob(cls, i).name,
				tw_ctl_srv_limit_hits(srv, cls, i), NULL);
		tw_out_obj_end(out);
	}
	tw_out_obj(out, "reasons");
	for (i = 1; i < TW_CTL_WHY_N; i++)
		if (tw_ctl_srv_why_cnt(srv, i) > 0)
			tw_out_u64(out, tw_ctl_why_name(i), tw_ctl_srv_why_cnt(srv, i), NULL);
	tw_out_obj_end(out);
	return 0;
}

static void
config_lines(struct tw_app *app, struct tw_op_lines *lines)
{
	char text[TW_ADDR_STR_SIZE], number[8];
	struct tw_addr addr;
	uint16_t port;
	unsigned i;

	if (!tw_ctl_io_is_listen_decided(app->ctl_io))
		return;
	for (i = 0; tw_io_listen_at(tw_ctl_io_listeners(app->ctl_io), i, &addr, &port); i++) {
		snprintf(number, sizeof(number), "%u", port);
		TW_OP_LINE(lines, "listen", "server", "addr", tw_addr_str(&addr, text), "port",
			number);
	}
	if (i == 0) /* nowhere, not even by default */
		TW_OP_LINE(lines, "unlisten", "server", "addr", "0.0.0.0");
}

#define TW_FEATURE        server
#define TW_FEATURE_DEF    "server/server.def"
#define TW_FEATURE_CONFIG config_lines
#include "../feature.h"
