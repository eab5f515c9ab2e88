/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Set-up of a client connection (PROTOCOL.md 1.5, 2.5, 3.1). The Greeting is protected by nothing:
 * what it offers can only make the client leave, never lower the floor.
 */
#include <errno.h>
#include <string.h>

#include "cli_i.h"

/* Mode 0, all other octets zero: we leave. */
static void
leave(struct tw_ctl_cli *cli, const struct cli_end *end, struct tw_ctl_time now)
{
	ctl_key_response(cli, &(struct tw_wire_setup_response){.mode = 0}, now);
	ctl_cli_close_for(cli, end, now);
}

/* --- Greeting --- */

/* The mode is of those offered, wanted, and not below the floor. */
static bool
is_taken(const struct tw_ctl_cli *cli, uint32_t mode, uint32_t offered)
{
	return (mode & offered) && tw_mode_rank(mode) >= tw_mode_rank(cli->cfg.floor);
}

/* First of the list that will do; secure ones need a KeyID. */
static uint32_t
choose(const struct tw_ctl_cli *cli, uint32_t offered, bool *wants_key)
{
	*wants_key = false;
	for (size_t i = 0; i < cli->cfg.modes_cnt; i++) {
		uint32_t mode = cli->cfg.modes[i];

		if (!is_taken(cli, mode, offered))
			continue;
		if (!tw_mode_protects_control(mode) || cli->cfg.key_id[0] != '\0')
			return mode;
		*wants_key = true;
	}
	return 0;
}

/* First of the list that will do and has use for a key. */
static uint32_t
choose_secure(const struct tw_ctl_cli *cli, uint32_t offered)
{
	for (size_t i = 0; i < cli->cfg.modes_cnt; i++) {
		uint32_t mode = cli->cfg.modes[i];

		if (tw_mode_protects_control(mode) && is_taken(cli, mode, offered))
			return mode;
	}
	return 0;
}

static bool
count_is_ok(const struct tw_ctl_cli *cli, uint32_t count)
{
	return (count & (count - 1)) == 0 && count >= cli->cfg.count_min &&
	       count <= cli->cfg.count_max;
}

/* Takes the reference to the secret. */
static void
derive(struct tw_ctl_cli *cli, const struct tw_wire_greeting *g, struct tw_secret *secret,
	struct tw_ctl_time now)
{
	struct cli_end end = {.reason = {.why = TW_CTL_WHY_BAD_COUNT,
				      .has_value = true,
				      .value = g->count,
				      .bound = cli->cfg.count_max}};
	enum tw_ctl_why why;

	if (!count_is_ok(cli, g->count)) { /* */
		tw_secret_drop(secret);
		ctl_cli_close_for(cli, &end, now);
		return;
	}
	cli->wait_since_ns = now.mono_ns;
	cli->state = TW_CTL_CLI_WAIT_KDF;
	why = ctl_key_derive(cli, secret, g->salt, g->count);
	if (why != TW_CTL_WHY_NONE)
		ctl_cli_close(cli, why, now);
}

/* A mode without IKE. */
static void
select_plain(struct tw_ctl_cli *cli, const struct tw_wire_greeting *g, struct tw_ctl_time now)
{
	struct tw_secret *secret;
	struct cli_end end = {0};
	enum tw_ctl_why why;
	bool wants_key;

	cli->mode = choose(cli, g->modes, &wants_key);
	if (cli->mode == 0) {
		why = wants_key ? TW_CTL_WHY_NO_KEY : TW_CTL_WHY_NO_ACCEPTABLE_MODE;
		end.reason = ctl_cli_reason(why, 0);
		leave(cli, &end, now);
		return;
	}
	if (!tw_mode_protects_control(cli->mode)) {
		cli->state = TW_CTL_CLI_WAIT_START;
		ctl_key_response(cli, &(struct tw_wire_setup_response){.mode = cli->mode}, now);
		return;
	}
	why = ctl_key_of_name(cli, &secret);
	end.reason = ctl_cli_reason(why, 0);
	if (why == TW_CTL_WHY_NONE)
		derive(cli, g, secret, now);
	else if (why == TW_CTL_WHY_NO_KEY)
		leave(cli, &end, now);
	else
		ctl_cli_close(cli, why, now);
}

/*
 * No IKEv2-derived key can be used. What the server says of it is worth nothing, so that this is
 * the end, but where the operator has set fallback for this peer (RFC 7717 5.1).
 */
static void
without_ike(struct tw_ctl_cli *cli, const struct tw_wire_greeting *g, enum tw_ctl_why why,
	struct tw_ctl_time now)
{
	struct cli_end end = {.reason = ctl_cli_reason(why, 0)};
	struct tw_ctl_cli_event event = ctl_cli_event(cli, TW_CTL_CLI_EV_FALLBACK);

	if (!cli->cfg.ike_fallback) {
		if (why != TW_CTL_WHY_IKE_NOT_OFFERED && cli->cfg.ike_try == TW_CTL_IKE_TRY_FIRST)
			end.retry = TW_CTL_IKE_TRY_REFRESHED;
		leave(cli, &end, now);
		return;
	}
	event.reason = end.reason;
	cli->ops->event(cli->app, cli, &event);
	if (cli->state == TW_CTL_CLI_WAIT_GREETING) /* not closed by the owner */
		select_plain(cli, g, now);
}

static void
select_ike(struct tw_ctl_cli *cli, const struct tw_wire_greeting *g, struct tw_ctl_time now)
{
	struct cli_end end = {.reason = ctl_cli_reason(TW_CTL_WHY_NO_ACCEPTABLE_MODE, 0)};
	struct tw_secret *secret;
	enum tw_ctl_why why;
	uint32_t mode;

	if (!(g->modes & TW_MODE_IKEV2)) {
		without_ike(cli, g, TW_CTL_WHY_IKE_NOT_OFFERED, now);
		return;
	}
	mode = choose_secure(cli, g->modes);
	if (mode == 0) {
		leave(cli, &end, now);
		return;
	}
	why = ctl_key_of_sa(cli, cli->spis, &secret);
	if (why == TW_CTL_WHY_NO_MEMORY) {
		ctl_cli_close(cli, why, now);
	} else if (why != TW_CTL_WHY_NONE) {
		without_ike(cli, g, why, now);
	} else {
		cli->mode = mode | TW_MODE_IKEV2;
		derive(cli, g, secret, now);
	}
}

/* Decided from what this side knows, whatever the server says. */
static bool
wants_ike(struct tw_ctl_cli *cli)
{
	uint8_t spis[TW_CTL_SPIS_LEN];
	struct tw_secret *secret;

	if (cli->cfg.key_floor == TW_CTL_KEY_IKEV2 || cli->cfg.ike_try != TW_CTL_IKE_TRY_FIRST)
		return true;
	if (cli->cfg.key_id[0] != '\0' || choose_secure(cli, TW_MODE_SEC_MASK) == 0 ||
		ctl_key_of_sa(cli, spis, &secret) != TW_CTL_WHY_NONE)
		return false;
	tw_secret_drop(secret);
	return true;
}

bool
ctl_setup_greeting(struct tw_ctl_cli *cli, struct tw_ctl_time now)
{
	struct tw_wire_greeting g;
	const uint8_t *msg;
	struct tw_rd rd;
	int res;

	msg = ctl_io_message(&cli->io, TW_WIRE_GREETING_LEN, &res);
	if (msg == NULL)
		return false;
	rd = tw_rd_init(msg, TW_WIRE_GREETING_LEN);
	tw_wire_greeting_read(&rd, &g);
	ctl_io_take(&cli->io, TW_WIRE_GREETING_LEN, now.mono_ns);
	memcpy(cli->challenge, g.challenge, sizeof(cli->challenge));
	cli->offered = g.modes;
	if (g.modes == 0)
		ctl_cli_close(cli, TW_CTL_WHY_SERVER_REFUSES, now);
	else if (cli->cfg.own != NULL && tw_ctl_srv_issued(cli->cfg.own, g.challenge))
		ctl_cli_close(cli, TW_CTL_WHY_REFLECTED, now);
	else if (cli->cfg.ike_try == TW_CTL_IKE_TRY_FALLBACK)
		without_ike(cli, &g, TW_CTL_WHY_SETUP_NO_IKE_SA, now);
	else if (wants_ike(cli))
		select_ike(cli, &g, now);
	else
		select_plain(cli, &g, now);
	return true;
}

/* --- Server-Start --- */

static void
refused(struct tw_ctl_cli *cli, uint8_t accept, struct tw_ctl_time now)
{
	bool has_ike = (cli->mode & TW_MODE_IKEV2) != 0;
	enum tw_ctl_why why = TW_CTL_WHY_SETUP_REFUSED;

	switch (tw_wire_accept_of(accept)) {
	case TW_WIRE_ACCEPT_NO_IKE_SA:
		if (has_ike) {
			why = TW_CTL_WHY_SETUP_NO_IKE_SA;
			ctl_key_close_ike(cli, ctl_cli_reason(why, accept), now);
			return;
		}
		/* we named no SPIs: then it means 1 */
		/* fall through */
	case TW_WIRE_ACCEPT_FAILURE:
		why = has_ike ? TW_CTL_WHY_SETUP_IKE_AUTH : TW_CTL_WHY_SETUP_AUTH;
		break;
	case TW_WIRE_ACCEPT_UNSUPPORTED:
		why = TW_CTL_WHY_SETUP_MODE;
		break;
	case TW_WIRE_ACCEPT_PERMANENT_LIMIT:
	case TW_WIRE_ACCEPT_TEMPORARY_LIMIT:
		why = TW_CTL_WHY_SETUP_BUSY;
		break;
	default:
		break;
	}
	ctl_cli_close_for(cli, &(struct cli_end){.reason = ctl_cli_reason(why, accept)}, now);
}

/* Both streams begin; the block with Start-Time is the first of the server's. */
static int
protect(struct tw_ctl_cli *cli, uint8_t *msg)
{
	struct tw_wire_server_start start;
	struct tw_rd rd = tw_rd_init(msg, TW_WIRE_SERVER_START_LEN);
	uint8_t *block = msg + TW_WIRE_SERVER_START_CLEAR_LEN;
	struct io *io = &cli->io;
	int res;

	tw_wire_server_start_read(&rd, &start);
	res = ctl_io_protect(io, start.server_iv, cli->client_iv);
	if (res == 0)
		res = tw_crypto_stream_decrypt(io->rx, block, TW_WIRE_BLOCK_LEN);
	if (res == 0)
		res = tw_crypto_stream_hmac(io->rx, block, TW_WIRE_BLOCK_LEN);
	return res;
}

bool
ctl_setup_server_start(struct tw_ctl_cli *cli, struct tw_ctl_time now)
{
	struct tw_wire_server_start start;
	struct tw_ctl_cli_event event;
	struct tw_rd rd;
	int res = 0;

	/* a refusal is known by its first block: some close right behind it */
	if (cli->io.in_len >= TW_WIRE_BLOCK_LEN && cli->io.in[TW_WIRE_BLOCK_LEN - 1] != 0) {
		refused(cli, cli->io.in[TW_WIRE_BLOCK_LEN - 1], now);
		return false;
	}
	if (cli->io.in_len < TW_WIRE_SERVER_START_LEN)
		return false;
	if (tw_mode_protects_control(cli->mode))
		res = protect(cli, cli->io.in);
	if (res != 0) {
		ctl_cli_fail(cli, res, now);
		return false;
	}
	rd = tw_rd_init(cli->io.in, TW_WIRE_SERVER_START_LEN);
	tw_wire_server_start_read(&rd, &start);
	ctl_io_take(&cli->io, TW_WIRE_SERVER_START_LEN, now.mono_ns);
	cli->server_start_ntp = start.start_time;
	cli->state = TW_CTL_CLI_READY;
	event = ctl_cli_event(cli, TW_CTL_CLI_EV_READY);
	cli->ops->event(cli->app, cli, &event);
	return true;
}
