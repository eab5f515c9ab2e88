/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Where a client's secret comes from, the token key made of it, and the Set-Up-Response that
 * proves it (PROTOCOL.md 3.1, 3.7).
 */
#include <string.h>

#include "cli_i.h"

/* --- secrets --- */

enum tw_ctl_why
ctl_key_of_name(struct tw_ctl_cli *cli, struct tw_secret **secret)
{
	struct tw_keyring_id id;
	bool is_known = false;

	if (tw_keyring_id_make(cli->cfg.key_id, strlen(cli->cfg.key_id), &id) != 0)
		return TW_CTL_WHY_NO_KEY;
	*secret = cli->ops->common.key(cli->app, &id, &is_known);
	if (*secret == NULL)
		return TW_CTL_WHY_NO_MEMORY;
	if (is_known)
		return TW_CTL_WHY_NONE;
	tw_secret_drop(*secret);
	return TW_CTL_WHY_NO_KEY;
}

enum tw_ctl_why
ctl_key_of_sa(struct tw_ctl_cli *cli, uint8_t spis[TW_CTL_SPIS_LEN], struct tw_secret **secret)
{
	*secret = NULL;
	if (cli->ops->ike_key == NULL)
		return TW_CTL_WHY_CLIENT_NO_IKE_SA;
	switch (cli->ops->ike_key(cli->app, &cli->peer, spis, secret)) {
	case TW_CTL_IKE_OK:
	case TW_CTL_IKE_SUPERSEDED:
		return *secret != NULL ? TW_CTL_WHY_NONE : TW_CTL_WHY_NO_MEMORY;
	case TW_CTL_IKE_IDENTITY:
		return TW_CTL_WHY_CLIENT_IKE_IDENTITY;
	case TW_CTL_IKE_ENDED:
		return TW_CTL_WHY_CLIENT_IKE_ENDED;
	default:
		return TW_CTL_WHY_CLIENT_NO_IKE_SA;
	}
}

/*
 * Once more on a connection of its own with what the keystore says then, and no more than once: an
 * Accept 6 is anybody's to forge. Without IKE only where the operator said so.
 */
void
ctl_key_close_ike(struct tw_ctl_cli *cli, struct tw_ctl_reason reason, struct tw_ctl_time now)
{
	struct cli_end end = {.reason = reason};

	if (cli->cfg.ike_try == TW_CTL_IKE_TRY_FIRST)
		end.retry = TW_CTL_IKE_TRY_REFRESHED;
	else if (cli->cfg.ike_fallback)
		end.retry = TW_CTL_IKE_TRY_FALLBACK;
	ctl_cli_close_for(cli, &end, now);
}

/* --- Set-Up-Response --- */

void
ctl_key_response(
	struct tw_ctl_cli *cli, const struct tw_wire_setup_response *resp, struct tw_ctl_time now)
{
	uint8_t *msg = ctl_io_append(&cli->io, TW_WIRE_SETUP_RESPONSE_LEN, now.mono_ns);
	struct tw_wr wr = tw_wr_init(msg, TW_WIRE_SETUP_RESPONSE_LEN);

	tw_wire_setup_response_write(&wr, resp);
	cli->wait_since_ns = now.mono_ns;
}

static bool
fill_random(struct tw_ctl_cli *cli, void *out, size_t len)
{
	return cli->ops->common.random(cli->app, out, len);
}

/* As unpredictable as the key that was just drawn, or drawn itself. */
static enum tw_ctl_why
make_iv(struct tw_ctl_cli *cli)
{
	if (cli->cfg.no_mark)
		return fill_random(cli, cli->client_iv, sizeof(cli->client_iv))
			       ? TW_CTL_WHY_NONE
			       : TW_CTL_WHY_NO_RANDOM;
	return ctl_mark_make(cli->io.keys, cli->offered, cli->mode, cli->client_iv) == 0
		       ? TW_CTL_WHY_NONE
		       : TW_CTL_WHY_CRYPTO;
}

static enum tw_ctl_why
seal_token(struct tw_ctl_cli *cli, struct tw_ctl_kdf_job *job, struct tw_wire_setup_response *resp)
{
	struct io *io = &cli->io;
	enum tw_ctl_why why;

	io->keys = tw_crypto_alloc(sizeof(*io->keys));
	if (io->keys == NULL)
		return TW_CTL_WHY_NO_MEMORY;
	/* independent draws (RFC 4656 3.1, 3.2) */
	if (!fill_random(cli, io->keys->aes, sizeof(io->keys->aes)) ||
		!fill_random(cli, io->keys->hmac, sizeof(io->keys->hmac)))
		return TW_CTL_WHY_NO_RANDOM;
	why = make_iv(cli);
	if (why != TW_CTL_WHY_NONE)
		return why;
	memcpy(resp->client_iv, cli->client_iv, sizeof(resp->client_iv));
	if (tw_crypto_token_seal(job->tk, cli->challenge, io->keys, resp->token) != 0)
		return TW_CTL_WHY_CRYPTO;
	return TW_CTL_WHY_NONE;
}

/* KeyID: by the Mode alone is told what it holds; 16..79 stay zero behind SPIs. */
static void
put_key_id(const struct tw_ctl_cli *cli, uint8_t key_id[TW_WIRE_KEY_ID_LEN])
{
	struct tw_keyring_id id;

	if (cli->mode & TW_MODE_IKEV2) {
		memcpy(key_id, cli->spis, sizeof(cli->spis));
		return;
	}
	(void)tw_keyring_id_make(cli->cfg.key_id, strlen(cli->cfg.key_id), &id);
	tw_keyring_id_write(&id, key_id);
}

static enum tw_ctl_why
respond(struct tw_ctl_cli *cli, struct tw_ctl_kdf_job *job, struct tw_ctl_time now)
{
	struct tw_wire_setup_response resp = {.mode = cli->mode};
	enum tw_ctl_why why = seal_token(cli, job, &resp);

	if (why != TW_CTL_WHY_NONE)
		return why;
	put_key_id(cli, resp.key_id);
	cli->state = TW_CTL_CLI_WAIT_START;
	ctl_key_response(cli, &resp, now);
	return TW_CTL_WHY_NONE;
}

/*
 * While the token key was derived the SA may have ended, or been superseded: the newest one is used
 * always. @return true if another derivation is on its way
 */
static bool
follow_sa(struct tw_ctl_cli *cli, const struct tw_ctl_kdf_job *job, enum tw_ctl_why *why)
{
	uint8_t spis[TW_CTL_SPIS_LEN];
	struct tw_secret *secret;

	*why = ctl_key_of_sa(cli, spis, &secret);
	if (*why == TW_CTL_WHY_CLIENT_NO_IKE_SA)
		*why = TW_CTL_WHY_CLIENT_IKE_ENDED;
	if (*why != TW_CTL_WHY_NONE)
		return false;
	if (memcmp(spis, cli->spis, sizeof(spis)) == 0) {
		tw_secret_drop(secret);
		return false;
	}
	memcpy(cli->spis, spis, sizeof(cli->spis));
	*why = ctl_key_derive(cli, secret, job->salt, job->count);
	return *why == TW_CTL_WHY_NONE;
}

static void
key_done(void *owner, struct tw_ctl_kdf_job *job, struct tw_ctl_time now)
{
	struct tw_ctl_cli *cli = owner;
	enum tw_ctl_why why = job->res == 0 ? TW_CTL_WHY_NONE : TW_CTL_WHY_CRYPTO;

	cli->job = NULL;
	if (why == TW_CTL_WHY_NONE && cli->mode & TW_MODE_IKEV2 && follow_sa(cli, job, &why))
		return;
	if (why == TW_CTL_WHY_NONE)
		why = respond(cli, job, now);
	if (why == TW_CTL_WHY_CLIENT_IKE_ENDED)
		ctl_key_close_ike(cli, ctl_cli_reason(why, 0), now);
	else if (why != TW_CTL_WHY_NONE)
		ctl_cli_close(cli, why, now);
	ctl_cli_run(cli, now);
	if (cli->ops->wake != NULL)
		cli->ops->wake(cli->app, cli);
}

/* --- derivation --- */

enum tw_ctl_why
ctl_key_derive(struct tw_ctl_cli *cli, struct tw_secret *secret,
	const uint8_t salt[TW_WIRE_SALT_LEN], uint32_t count)
{
	struct tw_ctl_kdf_job *job = ctl_kdf_new(secret, salt, count);

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

void
ctl_key_abandon(struct tw_ctl_cli *cli)
{
	if (cli->job != NULL)
		cli->job->owner = NULL;
	cli->job = NULL;
}
