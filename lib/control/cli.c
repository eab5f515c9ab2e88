/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Life of a client: octets and timers while it lasts, one CLOSED event at its end.
 *
 * The owner may call back into the client from an event. Such a call only changes the state and
 * appends to the output; the loop that called the event (cli_run) goes on from the new state.
 */
#include <errno.h>
#include <string.h>

#include "cli_i.h"

static const char *const states[TW_CTL_CLI_N] = {
	[TW_CTL_CLI_WAIT_GREETING] = "wait-greeting",
	[TW_CTL_CLI_WAIT_KDF] = "wait-key",
	[TW_CTL_CLI_WAIT_START] = "wait-server-start",
	[TW_CTL_CLI_READY] = "ready",
	[TW_CTL_CLI_WAIT_ACK] = "wait-start-ack",
	[TW_CTL_CLI_ACTIVE] = "active",
	[TW_CTL_CLI_CLOSING] = "closing",
	[TW_CTL_CLI_DONE] = "done",
};

const char *
tw_ctl_cli_state_name(unsigned state)
{
	return state < TW_CTL_CLI_N && states[state] != NULL ? states[state] : "?";
}

size_t
tw_ctl_cli_size(void)
{
	return sizeof(struct tw_ctl_cli);
}

unsigned
tw_ctl_cli_state_get(const struct tw_ctl_cli *cli)
{
	return cli->state;
}

int
tw_ctl_cli_open(struct tw_ctl_cli *cli, const struct tw_ctl_cli_cfg *cfg,
	const struct tw_ctl_cli_ops *ops, void *app, const struct tw_addr *peer,
	struct tw_ctl_time now)
{
	char why[TW_CTL_REASON_SIZE];

	if (tw_ctl_cli_cfg_check(cfg, why, sizeof(why)) != 0)
		return -EINVAL;
	memset(cli, 0, offsetof(struct tw_ctl_cli, io));
	ctl_io_init(&cli->io);
	cli->cfg = *cfg;
	cli->ops = ops;
	cli->app = app;
	cli->peer = *peer;
	cli->state = TW_CTL_CLI_WAIT_GREETING;
	cli->wait_since_ns = now.mono_ns;
	STAILQ_INIT(&cli->queued);
	STAILQ_INIT(&cli->asked);
	return 0;
}

void
tw_ctl_cli_fini(struct tw_ctl_cli *cli)
{
	ctl_key_abandon(cli);
	ctl_sess_forget(cli);
	ctl_io_forget_keys(&cli->io);
	tw_crypto_wipe(cli, sizeof(*cli));
}

/* --- end --- */

struct tw_ctl_cli_event
ctl_cli_event(const struct tw_ctl_cli *cli, enum tw_ctl_cli_ev ev)
{
	struct tw_ctl_cli_event event = {
		.ev = ev, .mode = cli->mode, .server_start_ntp = cli->server_start_ntp};

	memcpy(event.spis, cli->spis, sizeof(event.spis));
	return event;
}

struct tw_ctl_reason
ctl_cli_reason(enum tw_ctl_why why, uint8_t accept)
{
	return (struct tw_ctl_reason){.why = (uint8_t)why, .accept = accept};
}

void
ctl_cli_close_for(struct tw_ctl_cli *cli, const struct cli_end *end, struct tw_ctl_time now)
{
	struct tw_ctl_cli_event event = ctl_cli_event(cli, TW_CTL_CLI_EV_CLOSED);

	if (cli->state >= TW_CTL_CLI_CLOSING)
		return;
	event.reason = end->reason;
	event.results_invalid = end->results_invalid;
	event.retry = end->retry;
	event.control_lost =
		(cli->state == TW_CTL_CLI_ACTIVE || cli->state == TW_CTL_CLI_WAIT_ACK) &&
		end->reason.why != TW_CTL_WHY_NONE;
	ctl_key_abandon(cli);
	ctl_sess_forget(cli);
	ctl_io_forget_keys(&cli->io);
	cli->close_since_ns = now.mono_ns;
	cli->state = cli->io.out_len > 0 ? TW_CTL_CLI_CLOSING : TW_CTL_CLI_DONE;
	if (cli->cfg.why_ctr != NULL)
		tw_ctr_inc(&cli->cfg.why_ctr[end->reason.why]);
	cli->ops->event(cli->app, cli, &event);
}

void
ctl_cli_close(struct tw_ctl_cli *cli, enum tw_ctl_why why, struct tw_ctl_time now)
{
	ctl_cli_close_for(cli, &(struct cli_end){.reason = ctl_cli_reason(why, 0)}, now);
}

void
ctl_cli_fail(struct tw_ctl_cli *cli, int res, struct tw_ctl_time now)
{
	struct cli_end end = {.reason = ctl_cli_reason(TW_CTL_WHY_CRYPTO, 0)};

	if (res == -EBADMSG) {
		/* whoever answered did not know the secret, or somebody altered the stream */
		end.reason.why = TW_CTL_WHY_BAD_HMAC;
		end.results_invalid = true;
	}
	ctl_cli_close_for(cli, &end, now);
}

void
tw_ctl_cli_close(struct tw_ctl_cli *cli, struct tw_ctl_time now)
{
	if (cli->state == TW_CTL_CLI_ACTIVE)
		tw_ctl_cli_stop(cli, TW_WIRE_ACCEPT_FAILURE, now);
	ctl_cli_close(cli, TW_CTL_WHY_NONE, now);
}

static enum tw_ctl_why
why_eof(const struct tw_ctl_cli *cli)
{
	switch (cli->state) {
	case TW_CTL_CLI_WAIT_GREETING:
		return TW_CTL_WHY_CLOSED_AT_GREETING;
	case TW_CTL_CLI_WAIT_KDF:
	case TW_CTL_CLI_WAIT_START:
		return TW_CTL_WHY_CLOSED_AT_SETUP;
	default:
		return TW_CTL_WHY_PEER_CLOSED;
	}
}

/* --- octets --- */

/* Nothing may come that was not asked for: in clear it would be noise, protected an attack. */
static bool
unexpected(struct tw_ctl_cli *cli, struct tw_ctl_time now)
{
	if (cli->io.in_len > 0)
		ctl_cli_close(cli, TW_CTL_WHY_UNEXPECTED, now);
	return false;
}

/* @return true if something was served */
static bool
serve(struct tw_ctl_cli *cli, struct tw_ctl_time now)
{
	switch (cli->state) {
	case TW_CTL_CLI_WAIT_GREETING:
		return ctl_setup_greeting(cli, now);
	case TW_CTL_CLI_WAIT_START:
		return ctl_setup_server_start(cli, now);
	case TW_CTL_CLI_READY:
		ctl_sess_pump(cli, now);
		return STAILQ_EMPTY(&cli->asked) ? unexpected(cli, now) : ctl_sess_answer(cli, now);
	case TW_CTL_CLI_WAIT_ACK:
		return ctl_sess_start_ack(cli, now);
	case TW_CTL_CLI_WAIT_KDF:
	case TW_CTL_CLI_ACTIVE:
		return unexpected(cli, now);
	default:
		return false;
	}
}

void
ctl_cli_run(struct tw_ctl_cli *cli, struct tw_ctl_time now)
{
	if (cli->is_running)
		return;
	cli->is_running = true;
	while (serve(cli, now))
		;
	if (cli->has_eof)
		ctl_cli_close(cli, why_eof(cli), now);
	cli->is_running = false;
}

size_t
tw_ctl_cli_want(const struct tw_ctl_cli *cli)
{
	return cli->state < TW_CTL_CLI_CLOSING ? IN_SIZE - cli->io.in_len : 0;
}

void
tw_ctl_cli_input(struct tw_ctl_cli *cli, const void *octets, size_t len, struct tw_ctl_time now)
{
	if (tw_ctl_cli_want(cli) == 0 || len == 0)
		return;
	TW_ASSERT(len <= tw_ctl_cli_want(cli));
	ctl_io_put(&cli->io, octets, len, now.mono_ns);
	ctl_cli_run(cli, now);
}

void
tw_ctl_cli_eof(struct tw_ctl_cli *cli, struct tw_ctl_time now)
{
	cli->has_eof = true;
	ctl_cli_run(cli, now);
	cli->state = TW_CTL_CLI_DONE;
}

const uint8_t *
tw_ctl_cli_output(const struct tw_ctl_cli *cli, size_t *len)
{
	*len = cli->state == TW_CTL_CLI_DONE ? 0 : cli->io.out_len;
	return cli->io.out + cli->io.out_off;
}

void
tw_ctl_cli_sent(struct tw_ctl_cli *cli, size_t len, struct tw_ctl_time now)
{
	ctl_io_sent(&cli->io, len, now.mono_ns);
	if (cli->state == TW_CTL_CLI_CLOSING && cli->io.out_len == 0)
		cli->state = TW_CTL_CLI_DONE;
	ctl_cli_run(cli, now);
}

bool
tw_ctl_cli_is_done(const struct tw_ctl_cli *cli)
{
	return cli->state == TW_CTL_CLI_DONE;
}

/* --- timers --- */

/* Length of the read that is due, and what its expiry means. */
static int64_t
read_due(const struct tw_ctl_cli *cli, enum tw_ctl_why *why)
{
	switch (cli->state) {
	case TW_CTL_CLI_WAIT_GREETING:
		*why = TW_CTL_WHY_T_GREETING;
		return cli->wait_since_ns + cli->cfg.t_greeting_ns;
	case TW_CTL_CLI_WAIT_KDF:
	case TW_CTL_CLI_WAIT_START:
		*why = TW_CTL_WHY_T_START;
		return cli->wait_since_ns + cli->cfg.t_setup_ns;
	case TW_CTL_CLI_READY:
		if (STAILQ_EMPTY(&cli->asked))
			return TW_CTL_NO_DEADLINE;
		/* fall through */
	case TW_CTL_CLI_WAIT_ACK:
		*why = TW_CTL_WHY_T_ANSWER;
		return cli->wait_since_ns + cli->cfg.t_answer_ns;
	default:
		return TW_CTL_NO_DEADLINE;
	}
}

static int64_t
write_due(const struct tw_ctl_cli *cli)
{
	return cli->io.out_len == 0 ? TW_CTL_NO_DEADLINE
				    : cli->io.out_since_ns + cli->cfg.t_write_ns;
}

int64_t
tw_ctl_cli_deadline(const struct tw_ctl_cli *cli)
{
	enum tw_ctl_why why;

	if (cli->state == TW_CTL_CLI_DONE)
		return TW_CTL_NO_DEADLINE;
	if (cli->state == TW_CTL_CLI_CLOSING)
		return cli->close_since_ns + LINGER_NS;
	return min_ns(read_due(cli, &why), write_due(cli));
}

void
tw_ctl_cli_timer(struct tw_ctl_cli *cli, struct tw_ctl_time now)
{
	enum tw_ctl_why why = TW_CTL_WHY_NONE;

	if (now.mono_ns < tw_ctl_cli_deadline(cli))
		return;
	if (cli->state == TW_CTL_CLI_CLOSING) {
		cli->state = TW_CTL_CLI_DONE;
		return;
	}
	if (now.mono_ns >= write_due(cli))
		ctl_cli_close(cli, TW_CTL_WHY_T_WRITE, now);
	else if (now.mono_ns >= read_due(cli, &why))
		ctl_cli_close(cli, why, now);
}
