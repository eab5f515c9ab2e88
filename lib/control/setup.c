/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Set-up of a server connection (PROTOCOL.md 1.3): greeting, Set-Up-Response, key derived
 * elsewhere, Server-Start. An unknown KeyID costs the same derivation as a known one and ends in
 * the same answer.
 */
#include <errno.h>
#include <string.h>

#include "srv_i.h"

/* --- greeting --- */

static bool
fill_random(struct tw_ctl_conn *conn, void *out, size_t len)
{
	return conn->srv->ops.common.random(conn->srv->app, out, len);
}

static void
put_greeting(struct tw_ctl_conn *conn, uint32_t modes, struct tw_ctl_time now)
{
	uint8_t *msg = ctl_io_append(&conn->io, TW_WIRE_GREETING_LEN, now.mono_ns);
	struct tw_wr wr = tw_wr_init(msg, TW_WIRE_GREETING_LEN);
	struct tw_wire_greeting greeting = {.modes = modes, .count = conn->count};

	memcpy(greeting.challenge, conn->challenge, sizeof(greeting.challenge));
	memcpy(greeting.salt, conn->salt, sizeof(greeting.salt));
	tw_wire_greeting_write(&wr, &greeting);
}

void
ctl_setup_greet(struct tw_ctl_conn *conn, struct tw_ctl_time now)
{
	/* fresh both, or a captured Set-Up-Response could be used again */
	if (!fill_random(conn, conn->challenge, sizeof(conn->challenge)) ||
		!fill_random(conn, conn->salt, sizeof(conn->salt))) {
		memset(conn->challenge, 0, sizeof(conn->challenge));
		ctl_setup_refuse(conn, TW_CTL_WHY_NO_RANDOM, now);
		return;
	}
	ctl_issued_add(&conn->srv->issued, conn->challenge);
	put_greeting(conn, conn->offered, now);
}

/* A greeting that offers nothing. */
void
ctl_setup_refuse(struct tw_ctl_conn *conn, enum tw_ctl_why why, struct tw_ctl_time now)
{
	put_greeting(conn, 0, now);
	ctl_conn_close(conn, why, now);
}

/* --- Server-Start --- */

static void
refuse(struct tw_ctl_conn *conn, enum tw_ctl_why why, struct tw_ctl_time now)
{
	uint8_t *msg = ctl_io_append(&conn->io, TW_WIRE_SERVER_START_LEN, now.mono_ns);
	struct tw_wr wr = tw_wr_init(msg, TW_WIRE_SERVER_START_LEN);
	struct tw_wire_server_start start = {.accept = ctl_why_accept(why)};

	tw_wire_server_start_write(&wr, &start);
	ctl_conn_close(conn, why, now);
}

/* Limits were checked when the connection came; its class is certain only now. */
static enum tw_ctl_why
take_class(struct tw_ctl_conn *conn)
{
	bool is_trusted = conn->is_allowed || tw_mode_protects_control(conn->mode);
	enum tw_ctl_why why =
		ctl_conn_set_up(conn, is_trusted ? TW_CTL_CLASS_TRUSTED : TW_CTL_CLASS_OTHER);

	if (why == TW_CTL_WHY_CONNS)
		return TW_CTL_WHY_CONNS_LATE;
	return why == TW_CTL_WHY_CONNS_PER_SOURCE ? TW_CTL_WHY_CONNS_PER_SOURCE_LATE : why;
}

static void
accept_setup(struct tw_ctl_conn *conn, const uint8_t server_iv[16], struct tw_ctl_time now)
{
	struct tw_wire_server_start start = {
		.accept = TW_WIRE_ACCEPT_OK, .start_time = conn->srv->start_ntp};
	enum tw_ctl_why why = take_class(conn);
	uint8_t *msg, *block;
	struct tw_wr wr;

	if (why != TW_CTL_WHY_NONE) {
		refuse(conn, why, now);
		return;
	}
	memcpy(start.server_iv, server_iv, sizeof(start.server_iv));
	msg = ctl_io_append(&conn->io, TW_WIRE_SERVER_START_LEN, now.mono_ns);
	wr = tw_wr_init(msg, TW_WIRE_SERVER_START_LEN);
	tw_wire_server_start_write(&wr, &start);
	block = msg + TW_WIRE_SERVER_START_CLEAR_LEN;
	/* this block has no HMAC of its own: it is the beginning of the next text */
	if (conn->io.tx != NULL &&
		(tw_crypto_stream_hmac(conn->io.tx, block, TW_WIRE_BLOCK_LEN) != 0 ||
			tw_crypto_stream_encrypt(conn->io.tx, block, TW_WIRE_BLOCK_LEN) != 0)) {
		conn->io.out_len -= TW_WIRE_SERVER_START_LEN;
		refuse(conn, TW_CTL_WHY_CRYPTO, now);
		return;
	}
	tw_ctr_inc(
		&conn->srv->ctr[conn->io.tx ? TW_CTL_CTR_SET_UP_SECURE : TW_CTL_CTR_SET_UP_OPEN]);
	if (conn->mode & TW_MODE_IKEV2)
		tw_ctr_inc(&conn->srv->ctr[TW_CTL_CTR_SET_UP_IKE]);
	if (conn->ike == TW_CTL_IKE_SUPERSEDED)
		tw_ctr_inc(&conn->srv->ctr[TW_CTL_CTR_SET_UP_SUPERSEDED]);
	conn->is_authenticated = conn->io.tx != NULL;
	conn->quiet_since_ns = now.mono_ns;
	conn->state = TW_CTL_CONN_READY;
}

/* --- key derivation --- */

static void
count_job_out(struct tw_ctl_srv *srv, struct tw_ctl_kdf_job *job)
{
	LIST_REMOVE(job, link);
	srv->kdf_cnt--;
	job->source->kdf_jobs--;
	ctl_source_put(&srv->sources, job->source);
}

static void
orphan_done(void *owner, struct tw_ctl_kdf_job *job, struct tw_ctl_time now)
{
	struct tw_ctl_srv *srv = owner;

	(void)now;
	tw_ctr_inc(&srv->ctr[TW_CTL_CTR_KDF_ORPHANS]);
	count_job_out(srv, job);
}

void
ctl_setup_forget(struct tw_ctl_conn *conn)
{
	ctl_ike_unwait(conn);
	if (conn->job == NULL)
		return;
	conn->job->owner = conn->srv;
	conn->job->done = orphan_done;
	conn->job = NULL;
}

/* The Token proves that the client knows the secret; then both directions are protected. */
static enum tw_ctl_why
authenticate(struct tw_ctl_conn *conn, struct tw_ctl_kdf_job *job, uint8_t server_iv[16])
{
	bool has_ike = (conn->mode & TW_MODE_IKEV2) != 0;
	struct io *io = &conn->io;
	int res = job->res;
	enum tw_ctl_why why;

	if (res != 0)
		return TW_CTL_WHY_CRYPTO;
	/* the SA may have ended meanwhile, and its key with it */
	why = has_ike ? ctl_ike_still(conn) : TW_CTL_WHY_NONE;
	if (why != TW_CTL_WHY_NONE)
		return why;
	io->keys = tw_crypto_alloc(sizeof(*io->keys));
	if (io->keys == NULL)
		return TW_CTL_WHY_NO_MEMORY;
	res = tw_crypto_token_open(job->tk, conn->challenge, conn->token, io->keys);
	if (res == -EBADMSG || (res == 0 && !job->is_known))
		return has_ike ? TW_CTL_WHY_IKE_AUTH_FAILED : TW_CTL_WHY_AUTH_FAILED;
	if (res != 0)
		return TW_CTL_WHY_CRYPTO;
	res = ctl_mark_check(io->keys, conn->offered, conn->mode, conn->client_iv);
	if (res != 0)
		return res == -EBADMSG ? TW_CTL_WHY_MODE_ALTERED : TW_CTL_WHY_CRYPTO;
	if (!fill_random(conn, server_iv, TW_WIRE_IV_LEN))
		return TW_CTL_WHY_NO_RANDOM;
	return ctl_io_protect(io, conn->client_iv, server_iv) == 0 ? TW_CTL_WHY_NONE
								   : TW_CTL_WHY_NO_MEMORY;
}

static void
key_done(void *owner, struct tw_ctl_kdf_job *job, struct tw_ctl_time now)
{
	struct tw_ctl_conn *conn = owner;
	struct tw_ctl_srv *srv = conn->srv;
	uint8_t server_iv[TW_WIRE_IV_LEN] = {0};
	enum tw_ctl_why why;

	conn->job = NULL;
	count_job_out(srv, job);
	why = authenticate(conn, job, server_iv);
	if (why == TW_CTL_WHY_NONE)
		accept_setup(conn, server_iv, now);
	else
		refuse(conn, why, now);
	ctl_conn_run(conn, now);
	if (srv->ops.wake != NULL)
		srv->ops.wake(srv->app, conn, conn->user);
}

static enum tw_ctl_why
check_kdf_limits(struct tw_ctl_conn *conn)
{
	struct tw_ctl_srv *srv = conn->srv;

	if (!ctl_limit_allows(srv, conn->cls, TW_CTL_LIMIT_KDF_QUEUE, srv->kdf_cnt))
		return TW_CTL_WHY_KDF_QUEUE;
	if (!ctl_limit_allows(srv, conn->cls, TW_CTL_LIMIT_KDF_PER_SOURCE, conn->source->kdf_jobs))
		return TW_CTL_WHY_KDF_PER_SOURCE;
	return TW_CTL_WHY_NONE;
}

/* Takes the reference to the secret, NULL if there was no memory for one. */
static enum tw_ctl_why
derive(struct tw_ctl_conn *conn, struct tw_secret *secret, bool is_known)
{
	enum tw_ctl_why why = check_kdf_limits(conn);
	struct tw_ctl_srv *srv = conn->srv;
	struct tw_ctl_kdf_job *job;

	if (secret == NULL)
		return TW_CTL_WHY_NO_MEMORY;
	if (why != TW_CTL_WHY_NONE) {
		tw_secret_drop(secret);
		return why;
	}
	job = ctl_kdf_new(secret, conn->salt, conn->count);
	if (job == NULL)
		return TW_CTL_WHY_NO_MEMORY;
	job->is_known = is_known;
	job->owner = conn;
	job->done = key_done;
	if (!srv->ops.common.kdf(srv->app, job)) {
		ctl_kdf_free(job);
		return TW_CTL_WHY_KDF_BUSY;
	}
	job->source = ctl_source_hold(conn->source);
	LIST_INSERT_HEAD(&srv->jobs, job, link);
	job->source->kdf_jobs++;
	srv->kdf_cnt++;
	conn->job = job;
	tw_ctr_inc(&srv->ctr[TW_CTL_CTR_KDF_JOBS]);
	return TW_CTL_WHY_NONE;
}

static void
begin_derive(
	struct tw_ctl_conn *conn, struct tw_secret *secret, bool is_known, struct tw_ctl_time now)
{
	enum tw_ctl_why why = derive(conn, secret, is_known);

	if (why != TW_CTL_WHY_NONE) {
		refuse(conn, why, now);
		return;
	}
	conn->setup_since_ns = now.mono_ns;
	conn->state = TW_CTL_CONN_WAIT_KDF;
}

bool
ctl_setup_resume(struct tw_ctl_conn *conn, bool is_over, struct tw_ctl_time now)
{
	struct tw_secret *secret;
	enum tw_ctl_ike ike = ctl_ike_ask(conn, &secret);
	enum tw_ctl_why why = ctl_ike_why(ike);

	if (ike == TW_CTL_IKE_EXPECTED && !is_over)
		return false;
	ctl_ike_unwait(conn);
	if (why != TW_CTL_WHY_NONE) {
		refuse(conn, why, now);
		return true;
	}
	tw_ctr_inc(&conn->srv->ctr[TW_CTL_CTR_IKE_WAITS_OVER]);
	begin_derive(conn, secret, true, now);
	return true;
}

/* --- Set-Up-Response --- */

/* Octets 16..79 of the KeyID are nobody's business (RFC 7717 5.3). */
static void
answer_spis(struct tw_ctl_conn *conn, const uint8_t *spis, struct tw_ctl_time now)
{
	struct tw_secret *secret;
	enum tw_ctl_ike ike;
	enum tw_ctl_why why;

	memcpy(conn->spis, spis, sizeof(conn->spis));
	ike = ctl_ike_ask(conn, &secret);
	if (ike == TW_CTL_IKE_EXPECTED && ctl_ike_wait(conn)) {
		conn->setup_since_ns = now.mono_ns;
		conn->state = TW_CTL_CONN_WAIT_SA;
		return;
	}
	why = ctl_ike_why(ike);
	if (why != TW_CTL_WHY_NONE)
		refuse(conn, why, now);
	else
		begin_derive(conn, secret, true, now);
}

static void
answer_name(struct tw_ctl_conn *conn, const uint8_t *key_id, struct tw_ctl_time now)
{
	struct tw_ctl_srv *srv = conn->srv;
	struct tw_secret *secret;
	bool is_known = false;

	/* no valid name finds no key, and takes its time for that like any other */
	(void)tw_keyring_id_read(key_id, &conn->key_id);
	secret = srv->ops.common.key(srv->app, &conn->key_id, &is_known);
	begin_derive(conn, secret, is_known, now);
}

static void
answer(struct tw_ctl_conn *conn, const struct tw_wire_setup_response *resp, struct tw_ctl_time now)
{
	static const uint8_t no_iv[TW_WIRE_IV_LEN];

	if (tw_mode_sec(resp->mode) == 0) { /* 128 alone included */
		ctl_conn_close(conn, TW_CTL_WHY_CLIENT_LEFT, now);
		return;
	}
	if (!tw_mode_is_legal(resp->mode, conn->offered)) {
		refuse(conn, TW_CTL_WHY_MODE_ILLEGAL, now);
		return;
	}
	conn->mode = resp->mode & TW_MODE_KNOWN_MASK;
	if (!tw_mode_protects_control(conn->mode)) {
		accept_setup(conn, no_iv, now);
		return;
	}
	memcpy(conn->token, resp->token, sizeof(conn->token));
	memcpy(conn->client_iv, resp->client_iv, sizeof(conn->client_iv));
	/* which of both it is, the Mode alone tells */
	if (conn->mode & TW_MODE_IKEV2)
		answer_spis(conn, resp->key_id, now);
	else
		answer_name(conn, resp->key_id, now);
}

void
ctl_setup_response(struct tw_ctl_conn *conn, struct tw_ctl_time now)
{
	struct tw_wire_setup_response resp;
	struct tw_rd rd;
	const uint8_t *msg;
	int res;

	msg = ctl_io_message(&conn->io, TW_WIRE_SETUP_RESPONSE_LEN, &res);
	if (msg == NULL)
		return;
	rd = tw_rd_init(msg, TW_WIRE_SETUP_RESPONSE_LEN);
	tw_wire_setup_response_read(&rd, &resp);
	ctl_io_take(&conn->io, TW_WIRE_SETUP_RESPONSE_LEN, now.mono_ns);
	answer(conn, &resp, now);
}
