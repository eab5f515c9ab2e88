/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Set-up of a client connection (PROTOCOL.md 1.5, 2.5, 3.1). The Greeting is protected by nothing:
 * what it offers can only make the client leave, never lower the floor.
 */
#include <errno.h>
#include <string.h>

#include "cli_i.h"

/* --- Set-Up-Response --- */

static void
put_response(
	struct tw_ctl_cli *cli, const struct tw_wire_setup_response *resp, struct tw_ctl_time now)
{
	uint8_t *msg = ctl_io_append(&cli->io, TW_WIRE_SETUP_RESPONSE_LEN, now.mono_ns);
	struct tw_wr wr = tw_wr_init(msg, TW_WIRE_SETUP_RESPONSE_LEN);

	tw_wire_setup_response_write(&wr, resp);
	cli->wait_since_ns = now.mono_ns;
}

/* Mode 0, all other octets zero: we leave. */
static void
leave(struct tw_ctl_cli *cli, struct tw_ctl_reason reason, struct tw_ctl_time now)
{
	put_response(cli, &(struct tw_wire_setup_response){.mode = 0}, now);
	ctl_cli_close_for(cli, &(struct cli_end){.reason = reason}, now);
}

static bool
fill_random(struct tw_ctl_cli *cli, void *out, size_t len)
{
	return cli->ops->common.random(cli->app, out, len);
}

static enum tw_ctl_why
seal_token(struct tw_ctl_cli *cli, struct tw_ctl_kdf_job *job, struct tw_wire_setup_response *resp)
{
	struct io *io = &cli->io;

	if (job->res != 0)
		return TW_CTL_WHY_CRYPTO;
	io->keys = tw_crypto_alloc(sizeof(*io->keys));
	if (io->keys == NULL)
		return TW_CTL_WHY_NO_MEMORY;
	/* three independent draws (RFC 4656 3.1, 3.2) */
	if (!fill_random(cli, io->keys->aes, sizeof(io->keys->aes)) ||
		!fill_random(cli, io->keys->hmac, sizeof(io->keys->hmac)) ||
		!fill_random(cli, cli->client_iv, sizeof(cli->client_iv)))
		return TW_CTL_WHY_NO_RANDOM;
	memcpy(resp->client_iv, cli->client_iv, sizeof(resp->client_iv));
	if (tw_crypto_token_seal(job->tk, cli->challenge, io->keys, resp->token) != 0)
		return TW_CTL_WHY_CRYPTO;
	return TW_CTL_WHY_NONE;
}

static void
key_done(void *owner, struct tw_ctl_kdf_job *job, struct tw_ctl_time now)
{
	struct tw_wire_setup_response resp = {0};
	struct tw_ctl_cli *cli = owner;
	struct tw_keyring_id id;
	enum tw_ctl_why why;

	cli->job = NULL;
	resp.mode = cli->mode;
	(void)tw_keyring_id_make(cli->cfg.key_id, strlen(cli->cfg.key_id), &id);
	tw_keyring_id_write(&id, resp.key_id);
	why = seal_token(cli, job, &resp);
	if (why == TW_CTL_WHY_NONE) {
		cli->state = TW_CTL_CLI_WAIT_START;
		put_response(cli, &resp, now);
	} else {
		ctl_cli_close(cli, why, now);
	}
	ctl_cli_run(cli, now);
	if (cli->ops->wake != NULL)
		cli->ops->wake(cli->app, cli);
}

void
ctl_setup_abandon(struct tw_ctl_cli *cli)
{
	if (cli->job != NULL)
		cli->job->owner = NULL;
	cli->job = NULL;
}

/* --- Greeting --- */

static enum tw_ctl_why
derive(struct tw_ctl_cli *cli, const struct tw_wire_greeting *greeting)
{
	struct tw_ctl_kdf_job *job;
	struct tw_keyring_id id;
	struct tw_secret *secret;
	bool is_known = false;

	if (tw_keyring_id_make(cli->cfg.key_id, strlen(cli->cfg.key_id), &id) != 0)
		return TW_CTL_WHY_NO_KEY;
	secret = cli->ops->common.key(cli->app, &id, &is_known);
	if (secret == NULL)
		return TW_CTL_WHY_NO_MEMORY;
	if (!is_known) {
		tw_secret_drop(secret);
		return TW_CTL_WHY_NO_KEY;
	}
	job = ctl_kdf_new(secret, greeting->salt, greeting->count);
	if (job == NULL)
		return TW_CTL_WHY_NO_MEMORY;
	job->owner = cli;
	job->done = key_done;
	if (!cli->ops->common.kdf(cli->app, job)) {
		ctl_kdf_free(job);
		return TW_CTL_WHY_CLIENT_KDF_BUSY;
	}
	cli->job = job;
	return TW_CTL_WHY_NONE;
}

/* First of the list that is offered and not below the floor; secure ones need a KeyID. */
static uint32_t
choose(const struct tw_ctl_cli *cli, uint32_t offered, bool *wants_key)
{
	*wants_key = false;
	for (size_t i = 0; i < cli->cfg.modes_cnt; i++) {
		uint32_t mode = cli->cfg.modes[i];

		if (!(mode & offered) || tw_mode_rank(mode) < tw_mode_rank(cli->cfg.floor))
			continue;
		if (!tw_mode_protects_control(mode) || cli->cfg.key_id[0] != '\0')
			return mode;
		*wants_key = true;
	}
	return 0;
}

static bool
count_is_ok(const struct tw_ctl_cli *cli, uint32_t count)
{
	return (count & (count - 1)) == 0 && count >= cli->cfg.count_min &&
	       count <= cli->cfg.count_max;
}

static void
select_mode(struct tw_ctl_cli *cli, const struct tw_wire_greeting *g, struct tw_ctl_time now)
{
	struct tw_ctl_reason reason = ctl_cli_reason(TW_CTL_WHY_NO_ACCEPTABLE_MODE, 0);
	bool wants_key;

	cli->mode = choose(cli, g->modes, &wants_key);
	if (cli->mode == 0) {
		reason.why = wants_key ? TW_CTL_WHY_NO_KEY : TW_CTL_WHY_NO_ACCEPTABLE_MODE;
		leave(cli, reason, now);
		return;
	}
	cli->wait_since_ns = now.mono_ns;
	if (!tw_mode_protects_control(cli->mode)) {
		cli->state = TW_CTL_CLI_WAIT_START;
		put_response(cli, &(struct tw_wire_setup_response){.mode = cli->mode}, now);
		return;
	}
	if (!count_is_ok(cli, g->count)) { /* */
		reason = (struct tw_ctl_reason){.why = TW_CTL_WHY_BAD_COUNT,
			.has_value = true,
			.value = g->count,
			.bound = cli->cfg.count_max};
		ctl_cli_close_for(cli, &(struct cli_end){.reason = reason}, now);
		return;
	}
	cli->state = TW_CTL_CLI_WAIT_KDF;
	reason.why = (uint8_t)derive(cli, g);
	if (reason.why == TW_CTL_WHY_NO_KEY)
		leave(cli, reason, now);
	else if (reason.why != TW_CTL_WHY_NONE)
		ctl_cli_close(cli, reason.why, now);
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
	if (g.modes == 0)
		ctl_cli_close(cli, TW_CTL_WHY_SERVER_REFUSES, now);
	else if (cli->cfg.own != NULL && tw_ctl_srv_issued(cli->cfg.own, g.challenge))
		ctl_cli_close(cli, TW_CTL_WHY_REFLECTED, now);
	else
		select_mode(cli, &g, now);
	return true;
}

/* --- Server-Start --- */

static void
refused(struct tw_ctl_cli *cli, uint8_t accept, struct tw_ctl_time now)
{
	enum tw_ctl_why why = TW_CTL_WHY_SETUP_REFUSED;

	switch (tw_wire_accept_of(accept)) {
	case TW_WIRE_ACCEPT_FAILURE:
	case TW_WIRE_ACCEPT_NO_IKE_SA: /* we named no SPIs: then it means 1 */
		why = TW_CTL_WHY_SETUP_AUTH;
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
