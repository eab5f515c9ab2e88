/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/* The owner of the machines under test, see bed.h. */
#include "bed.h"

struct tw_addr
bed_addr(const char *text)
{
	struct tw_addr a;

	BED_CHECK(tw_addr_parse(text, &a));
	return a;
}

/* --- what both machines ask --- */

bool
bed_random(void *app, void *out, size_t len)
{
	struct bed *bed = app;
	uint8_t *p = out;

	if (bed->random_fails)
		return false;
	if (bed->script_idx < bed->script_cnt) {
		const struct bed_script *s = &bed->script[bed->script_idx++];

		BED_CHECK(s->len == len);
		memcpy(out, s->octets, len);
		return true;
	}
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)bed_next(&bed->seed);
	return true;
}

void
bed_script(struct bed *bed, const uint8_t *octets, size_t len)
{
	BED_CHECK(bed->script_cnt < TW_ARRAY_SIZE(bed->script));
	bed->script[bed->script_cnt++] = (struct bed_script){octets, len};
}

struct tw_secret *
bed_key(void *app, const struct tw_keyring_id *id, bool *is_known)
{
	struct bed *bed = app;

	return tw_keyring_find(bed->keys, id, is_known);
}

bool
bed_kdf(void *app, struct tw_ctl_kdf_job *job)
{
	struct bed *bed = app;

	if (bed->kdf_is_full)
		return false;
	if (bed->job_cnt == bed->job_size) {
		bed->job_size = bed->job_size * 2 + 16;
		bed->job = realloc(bed->job, bed->job_size * sizeof(*bed->job));
		BED_CHECK(bed->job != NULL);
	}
	bed->job[bed->job_cnt++] = job;
	return true;
}

static size_t
finish_jobs(struct bed *bed, bool run)
{
	size_t cnt = 0;

	while (bed->job_cnt > cnt) {
		struct tw_ctl_kdf_job *job = bed->job[cnt++];

		if (run)
			tw_ctl_kdf_run(job);
		tw_ctl_kdf_done(job, bed->now);
	}
	bed->job_cnt = 0;
	return cnt;
}

size_t
bed_derive(struct bed *bed)
{
	return finish_jobs(bed, true);
}

void
bed_drop_jobs(struct bed *bed)
{
	finish_jobs(bed, false);
}

void
bed_token_key(const char *secret, const uint8_t salt[16], uint32_t count, uint8_t tk[16])
{
	bed_token_key_of(secret, strlen(secret), salt, count, tk);
}

void
bed_token_key_of(
	const void *secret, size_t len, const uint8_t salt[16], uint32_t count, uint8_t tk[16])
{
	static struct {
		uint8_t secret[64], salt[16], tk[16];
		size_t len;
		uint32_t count;
	} last;
	struct tw_secret *s;

	if (count != last.count || len != last.len || memcmp(secret, last.secret, len) != 0 ||
		memcmp(salt, last.salt, sizeof(last.salt)) != 0) {
		s = tw_secret_new(secret, len);
		BED_CHECK(s != NULL && len <= sizeof(last.secret));
		BED_CHECK(tw_crypto_kdf(s, salt, count, last.tk) == 0);
		tw_secret_drop(s);
		memcpy(last.secret, secret, len);
		last.len = len;
		memcpy(last.salt, salt, sizeof(last.salt));
		last.count = count;
	}
	memcpy(tk, last.tk, sizeof(last.tk));
}

/* --- what the server asks --- */

static bool
has_keys(void *app)
{
	struct bed *bed = app;

	return tw_keyring_count(bed->keys) > 0;
}

static bool
is_local(void *app, const struct tw_addr *addr)
{
	static const char *const ours[] = {"192.0.2.1", "192.0.2.9", "2001:db8::1"};

	(void)app;
	for (size_t i = 0; i < TW_ARRAY_SIZE(ours); i++) {
		struct tw_addr a = bed_addr(ours[i]);

		if (tw_addr_equal(&a, addr))
			return true;
	}
	return false;
}

static bool
is_same_tuple(const struct tw_ctl_sess_param *a, const struct tw_ctl_sess_param *b)
{
	return tw_addr_equal(&a->sender_addr, &b->sender_addr) &&
	       tw_addr_equal(&a->receiver_addr, &b->receiver_addr) &&
	       a->sender_port == b->sender_port && a->receiver_port == b->receiver_port;
}

static bool
is_busy(const struct bed *bed, const struct tw_ctl_sess_param *param)
{
	uint16_t port = param->receiver_port;

	if (bed->busy_lo != 0 && port >= bed->busy_lo && port <= bed->busy_hi)
		return true;
	for (size_t i = 0; i < bed->sess_cnt; i++) {
		const struct bed_sess *s = bed->sess[i];

		if (s->state != BED_FREE && is_same_tuple(&s->param, param))
			return true;
	}
	return false;
}

static void
check_param(const struct tw_ctl_sess_param *p)
{
	BED_CHECK(!tw_addr_is_zero(&p->sender_addr) && !tw_addr_is_zero(&p->receiver_addr));
	BED_CHECK(p->sender_addr.family == p->receiver_addr.family);
	BED_CHECK(p->sender_port != 0 && p->receiver_port != 0 && p->dscp <= 63);
	BED_CHECK((p->keys != NULL) == tw_mode_protects_test(p->mode));
	BED_CHECK(p->timeout_ns >= 0 && p->refwait_ns > 0);
}

static enum tw_ctl_reserve
reserve(void *app, struct tw_ctl_sess *sess, const struct tw_ctl_sess_param *param, void **handle)
{
	struct bed *bed = app;
	struct bed_sess *s;

	bed->reserve_calls++;
	check_param(param);
	if (bed->reserve_answer != 0)
		return bed->reserve_answer;
	if (is_busy(bed, param))
		return TW_CTL_RESERVE_PORT_BUSY;
	if (bed->sess_cnt == bed->sess_size) {
		bed->sess_size = bed->sess_size * 2 + 16;
		bed->sess = realloc(bed->sess, bed->sess_size * sizeof(*bed->sess));
		BED_CHECK(bed->sess != NULL);
	}
	s = calloc(1, sizeof(*s));
	BED_CHECK(s != NULL);
	s->state = BED_RESERVED;
	s->sess = sess;
	s->param = *param;
	if (param->keys != NULL)
		s->keys = *param->keys;
	s->param.keys = param->keys ? &s->keys : NULL;
	bed->sess[bed->sess_cnt++] = s;
	bed->sess_live++;
	*handle = s;
	return TW_CTL_RESERVE_OK;
}

static int
start(void *app, void *handle)
{
	struct bed *bed = app;
	struct bed_sess *s = handle;

	BED_CHECK(s->state == BED_RESERVED);
	if (bed->start_answer != 0)
		return bed->start_answer;
	s->state = BED_STARTED;
	return 0;
}

static void
stop(void *app, void *handle, int64_t grace_ns)
{
	struct bed *bed = app;
	struct bed_sess *s = handle;

	BED_CHECK(s->state == BED_STARTED && grace_ns >= 0);
	s->state = BED_STOPPED;
	s->stopped_ns = bed->now.mono_ns;
	s->grace_ns = grace_ns;
}

static void
release(void *app, void *handle)
{
	struct bed *bed = app;
	struct bed_sess *s = handle;
	size_t i = 0;

	BED_CHECK(s->state != BED_FREE);
	/* never before the packets that arrived in time could be answered */
	BED_CHECK(s->state != BED_STOPPED || bed->now.mono_ns >= s->stopped_ns + s->grace_ns ||
		  bed->srv == NULL);
	while (bed->sess[i] != s)
		i++;
	memmove(bed->sess + i, bed->sess + i + 1, (--bed->sess_cnt - i) * sizeof(*bed->sess));
	bed->sess_live--;
	free(s);
}

static void
wake(void *app, struct tw_ctl_conn *conn, void *user)
{
	struct bed *bed = app;

	(void)user;
	bed->wake_cnt++;
	bed->woken = conn;
}

static void
note(void *app, const struct tw_ctl_conn *conn, const struct tw_ctl_reason *reason)
{
	struct bed *bed = app;
	char text[TW_CTL_REASON_SIZE];

	(void)conn;
	tw_ctl_reason_str(reason, "peer", text, sizeof(text));
	BED_CHECK(strstr(text, BED_SECRET) == NULL);
	BED_CHECK(reason->why != TW_CTL_WHY_NONE);
	bed->last = *reason;
	bed->note_cnt++;
}

const struct tw_ctl_srv_ops bed_srv_ops = {
	.common = {.random = bed_random, .key = bed_key, .kdf = bed_kdf},
	.has_keys = has_keys,
	.is_local = is_local,
	.reserve = reserve,
	.start = start,
	.stop = stop,
	.release = release,
	.wake = wake,
	.offers_ike = bed_offers_ike,
	.ike_key = bed_ike_of_spis,
	.note = note,
};

/* --- the bed --- */

void
bed_add_key(struct bed *bed, const char *name, const char *secret)
{
	struct tw_secret *s = tw_secret_new(secret, strlen(secret));
	struct tw_keyring_id id;

	BED_CHECK(s != NULL && tw_keyring_id_make(name, strlen(name), &id) == 0);
	BED_CHECK(tw_keyring_set(bed->keys, &id, s, false) == 0);
	tw_secret_drop(s);
}

/* OpenSSL keeps what it set up on first use, in the secret heap like all it has. */
static void
warm_up(void)
{
	struct tw_crypto_keys *keys = tw_crypto_alloc(sizeof(*keys));
	uint8_t buf[64] = {0}, tk[16], token[TW_CRYPTO_TOKEN_LEN];
	struct tw_crypto_stream *s;

	BED_CHECK(keys != NULL && tw_crypto_keys_random(keys) == 0);
	bed_token_key("warm", buf, 1, tk);
	BED_CHECK(tw_crypto_token_seal(tk, buf, keys, token) == 0);
	BED_CHECK(tw_crypto_token_open(tk, buf, token, keys) == 0);
	BED_CHECK(tw_crypto_test_keys(keys, buf, keys) == 0);
	s = tw_crypto_stream_new(keys, buf);
	BED_CHECK(s != NULL && tw_crypto_stream_hmac(s, buf, sizeof(buf)) == 0);
	BED_CHECK(tw_crypto_stream_tag(s, buf) == 0);
	BED_CHECK(tw_crypto_stream_encrypt(s, buf, sizeof(buf)) == 0);
	BED_CHECK(tw_crypto_stream_decrypt(s, buf, sizeof(buf)) == 0);
	tw_crypto_stream_free(s);
	tw_crypto_free(keys);
}

void
bed_init(struct bed *bed)
{
	static struct tw_ctl_allow allow[2] = {{.modes = TW_MODE_OPEN}, {.modes = TW_MODE_OPEN}};
	char why[200] = "";

	memset(bed, 0, sizeof(*bed));
	if (tw_crypto_init_late(4u << 20, why, sizeof(why)) != 0) {
		fprintf(stderr, "%s\n", why);
		abort();
	}
	warm_up();
	bed->heap_used = tw_crypto_heap_used();
	bed->seed = 1;
	bed->now = (struct tw_ctl_time){.mono_ns = 1000 * BED_NS_PER_S, .ntp = 0xec00000080000000};
	bed->keys = tw_keyring_new(0);
	BED_CHECK(bed->keys != NULL);
	bed_add_key(bed, BED_USER, BED_SECRET);
	tw_ctl_srv_cfg_init(&bed->cfg);
	bed->cfg.set[TW_CTL_SET_COUNT] = TW_CTL_COUNT_MIN;
	BED_CHECK(tw_prefix_parse("192.0.2.0/24", &allow[0].prefix));
	BED_CHECK(tw_prefix_parse("2001:db8::/32", &allow[1].prefix));
	bed->cfg.allow = allow;
	bed->cfg.allow_cnt = 2;
}

void
bed_serve(struct bed *bed)
{
	bed->srv = malloc(tw_ctl_srv_size());
	BED_CHECK(bed->srv != NULL);
	BED_CHECK(tw_ctl_srv_init(bed->srv, &bed->cfg, &bed_srv_ops, bed, bed->now) == 0);
}

void
bed_fini(struct bed *bed)
{
	struct tw_ctl_srv *srv = bed->srv;

	bed->srv = NULL; /* what drains is now released early */
	if (srv != NULL)
		tw_ctl_srv_fini(srv);
	free(srv);
	bed_drop_jobs(bed);
	BED_CHECK(bed->sess_live == 0 && bed->sess_cnt == 0);
	free(bed->sess);
	free(bed->job);
	tw_keyring_free(bed->keys);
	/* every secret was wiped and given back, whichever way its owner ended */
	BED_CHECK(tw_crypto_heap_used() == bed->heap_used);
}

void
bed_wait(struct bed *bed, int64_t ns)
{
	int64_t end = bed->now.mono_ns + ns;

	for (;;) {
		int64_t at = tw_ctl_srv_deadline(bed->srv);

		if (at > end)
			break;
		/* a timer that does not move on would stand here for ever */
		bed->now.mono_ns = at > bed->now.mono_ns ? at : bed->now.mono_ns;
		tw_ctl_srv_timer(bed->srv, bed->now);
		BED_CHECK(tw_ctl_srv_deadline(bed->srv) > bed->now.mono_ns);
	}
	bed->now.mono_ns = end;
}

struct bed_sess *
bed_sess_at(struct bed *bed, size_t idx)
{
	return idx < bed->sess_cnt ? bed->sess[idx] : NULL;
}

size_t
bed_sess_count(const struct bed *bed, enum bed_state state)
{
	size_t cnt = 0;

	for (size_t i = 0; i < bed->sess_cnt; i++)
		cnt += bed->sess[i]->state == state;
	return cnt;
}
