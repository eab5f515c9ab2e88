/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Records of the socket of an IKE daemon, octet by octet as SOCKET.md has them:
 *
 *   header   version 2, type 2, size 4, seq 8
 *   addr     family 1, zero 1, port 2, address 16
 *   id       type 1, zero 1, length 2, text 252
 *   ts       family 1, protocol 1, ports 2 2, zero 2, from 16, to 16
 *   SA       serial 8, SPIs 16, old SPIs 16, new SPIs 16, established 8, state role reason zero 4,
 *            flags 4, local, remote, prf 2, key length 2, zero 4, key 64, local id, remote id,
 *            connection 64, counts 2 2, zero 4, 4 addr, 16 ts
 */
#include <errno.h>

#include "tw_ike_msg.h"

#define ID_LEN         252U
#define CONN_LEN       64U
#define NAME_LEN       32U
#define TEXT_LEN       96U
#define ROLE_INITIATOR 1
#define ROLE_RESPONDER 2

#define F_LOCAL_ID_CUT  0x0001U
#define F_REMOTE_ID_CUT 0x0002U
#define F_PPK           0x0010U
#define F_LOCAL_NAT     0x0020U
#define F_REMOTE_NAT    0x0040U

/* Octets of each record, header included; 0: not sent by a daemon. */
static size_t
size_of(unsigned type)
{
	switch (type) {
	case TW_IKE_MSG_HELLO:
		return 120;
	case TW_IKE_MSG_RESULT:
		return 136;
	case TW_IKE_MSG_SA:
	case TW_IKE_MSG_SA_CONNECTING:
	case TW_IKE_MSG_SA_UP:
	case TW_IKE_MSG_SA_REKEYED:
	case TW_IKE_MSG_SA_MOVED:
	case TW_IKE_MSG_SA_CHILD:
	case TW_IKE_MSG_SA_DOWN:
	case TW_IKE_MSG_SA_FAILED:
		return 1504;
	default:
		return 0;
	}
}

/* ---- pieces ---- */

/* Length of the UTF-8 sequence at p (RFC 3629) that is no control character, or 0. */
static size_t
printable(const uint8_t *p, size_t len)
{
	static const struct {
		uint8_t lo, hi, second_lo, second_hi, more;
	} rows[] = {
		{0x20, 0x7e, 0, 0, 0},
		{0xc2, 0xc2, 0xa0, 0xbf, 1}, /* U+0080..009F are controls */
		{0xc3, 0xdf, 0x80, 0xbf, 1},
		{0xe0, 0xe0, 0xa0, 0xbf, 2},
		{0xe1, 0xec, 0x80, 0xbf, 2},
		{0xed, 0xed, 0x80, 0x9f, 2}, /* no surrogates */
		{0xee, 0xef, 0x80, 0xbf, 2},
		{0xf0, 0xf0, 0x90, 0xbf, 3},
		{0xf1, 0xf3, 0x80, 0xbf, 3},
		{0xf4, 0xf4, 0x80, 0x8f, 3},
	};
	size_t i, n = 0;

	while (n < TW_ARRAY_SIZE(rows) && (p[0] < rows[n].lo || p[0] > rows[n].hi))
		n++;
	if (n == TW_ARRAY_SIZE(rows) || len <= rows[n].more)
		return 0;
	for (i = 1; i <= rows[n].more; i++)
		if (p[i] < (i == 1 ? rows[n].second_lo : 0x80) ||
			p[i] > (i == 1 ? rows[n].second_hi : 0xbf))
			return 0;
	return (size_t)rows[n].more + 1;
}

/*
 * Text for people: what cannot be shown becomes '?'. @return whether all of it could be.
 */
static bool
text_copy(char *out, const uint8_t *p, size_t len)
{
	bool is_clean = true;
	size_t step;

	while (len > 0) {
		step = printable(p, len);
		if (step == 0) {
			is_clean = false;
			*out++ = '?';
			step = 1;
		} else {
			memcpy(out, p, step);
			out += step;
		}
		p += step;
		len -= step;
	}
	*out = '\0';
	return is_clean;
}

/* A zero padded field of a fixed length. */
static bool
rd_padded(struct tw_rd *rd, char *out, size_t len)
{
	const uint8_t *p = rd->p;
	size_t used = 0;

	if (!tw_rd_skip(rd, len))
		return false;
	while (used < len && p[used] != 0)
		used++;
	return text_copy(out, p, used) || true;
}

static bool
rd_id(struct tw_rd *rd, char *out, bool *is_odd)
{
	const uint8_t *p;
	uint8_t type, zero;
	uint16_t len;

	if (!tw_rd_u8(rd, &type) || !tw_rd_u8(rd, &zero) || !tw_rd_u16(rd, &len) || len > ID_LEN)
		return false;
	p = rd->p;
	if (!tw_rd_skip(rd, ID_LEN))
		return false;
	if (!text_copy(out, p, len))
		*is_odd = true;
	return true;
}

/* An address of family 0 is unset. */
static bool
to_addr(uint8_t family, const uint8_t octets[16], struct tw_addr *out)
{
	*out = (struct tw_addr){0};
	if (family == TW_ADDR_V4 || family == TW_ADDR_V6)
		*out = tw_addr_make(family, octets);
	return family == TW_ADDR_NONE || family == TW_ADDR_V4 || family == TW_ADDR_V6;
}

static bool
rd_addr(struct tw_rd *rd, struct tw_addr *out, uint16_t *port)
{
	uint8_t family, zero, octets[16];

	return tw_rd_u8(rd, &family) && tw_rd_u8(rd, &zero) && tw_rd_u16(rd, port) &&
	       tw_rd_bytes(rd, octets, sizeof(octets)) && to_addr(family, octets, out);
}

static bool
rd_range(struct tw_rd *rd, struct tw_ike_range *out)
{
	uint8_t family, from[16], to[16];

	/* any protocol and port count as the peer's addresses */
	return tw_rd_u8(rd, &family) && tw_rd_skip(rd, 7) && tw_rd_bytes(rd, from, sizeof(from)) &&
	       tw_rd_bytes(rd, to, sizeof(to)) && to_addr(family, from, &out->lo) &&
	       to_addr(family, to, &out->hi);
}

static bool
rd_spis(struct tw_rd *rd, struct tw_ike_spis *out, bool *is_there)
{
	static const struct tw_ike_spis zero;

	if (!tw_rd_bytes(rd, out->i, sizeof(out->i)) || !tw_rd_bytes(rd, out->r, sizeof(out->r)))
		return false;
	*is_there = memcmp(out, &zero, sizeof(zero)) != 0;
	return true;
}

/* ---- records ---- */

static bool
read_hello(struct tw_rd *rd, struct tw_ike_hello *h)
{
	return tw_rd_u16(rd, &h->version_min) && tw_rd_u16(rd, &h->version_max) &&
	       tw_rd_u32(rd, &h->sa_cnt) && tw_rd_bytes(rd, h->boot_id, sizeof(h->boot_id)) &&
	       tw_rd_u64(rd, &h->started_s) && rd_padded(rd, h->name, NAME_LEN) &&
	       rd_padded(rd, h->release, NAME_LEN) && tw_rd_u32(rd, &h->not_shown_cnt);
}

static bool
read_result(struct tw_rd *rd, struct tw_ike_result *r)
{
	return tw_rd_u16(rd, &r->status) && tw_rd_u16(rd, &r->request) &&
	       tw_rd_u32(rd, &r->flags) && tw_rd_u64(rd, &r->cursor) && tw_rd_u32(rd, &r->cnt) &&
	       tw_rd_skip(rd, 4) && rd_padded(rd, r->text, TEXT_LEN) &&
	       r->status < TW_IKE_MSG_STATUS_N;
}

static bool
read_sa_head(struct tw_rd *rd, struct tw_ike_msg *m)
{
	uint8_t role, zero;
	bool has_spis;

	if (!tw_rd_u64(rd, &m->sa.serial) || !rd_spis(rd, &m->sa.spis, &has_spis) ||
		!rd_spis(rd, &m->old, &m->has_old) ||
		!rd_spis(rd, &m->successor, &m->has_successor) ||
		!tw_rd_u64(rd, &m->sa.established_s) || !tw_rd_u8(rd, &m->state) ||
		!tw_rd_u8(rd, &role) || !tw_rd_u8(rd, &m->reason) || !tw_rd_u8(rd, &zero))
		return false;
	m->sa.is_initiator = role == ROLE_INITIATOR;
	m->sa.by = m->successor;
	return m->sa.serial != 0 && m->state >= TW_IKE_MSG_S_CONNECTING &&
	       m->state < TW_IKE_MSG_S_N && (role == ROLE_INITIATOR || role == ROLE_RESPONDER) &&
	       m->reason < TW_IKE_MSG_R_N;
}

static void
set_flags(struct tw_ike_sa *sa, uint32_t flags)
{
	sa->is_local_id_odd = flags & F_LOCAL_ID_CUT;
	sa->is_remote_id_odd = flags & F_REMOTE_ID_CUT;
	sa->has_ppk = flags & F_PPK;
	sa->is_local_nat = flags & F_LOCAL_NAT;
	sa->is_remote_nat = flags & F_REMOTE_NAT;
}

/* Established and superseded SAs have a key and SPIs, others no key. */
static bool
key_fits(const struct tw_ike_msg *m, uint16_t key_len)
{
	bool has_key = m->state == TW_IKE_MSG_S_ESTABLISHED || m->state == TW_IKE_MSG_S_SUPERSEDED;

	if (!has_key)
		return key_len == 0;
	return key_len >= TW_IKE_KEY_MIN && key_len <= TW_IKE_KEY_MAX &&
	       m->sa.remote.family != TW_ADDR_NONE;
}

static bool
read_selectors(struct tw_rd *rd, struct tw_ike_sa *sa)
{
	uint16_t vip_cnt, ts_cnt, port;
	struct tw_ike_range r;
	struct tw_addr a;
	unsigned i;

	if (!tw_rd_u16(rd, &vip_cnt) || !tw_rd_u16(rd, &ts_cnt) || !tw_rd_skip(rd, 4) ||
		vip_cnt > TW_IKE_VIPS_MAX || ts_cnt > TW_IKE_TS_MAX)
		return false;
	for (i = 0; i < TW_IKE_VIPS_MAX; i++) {
		if (!rd_addr(rd, &a, &port))
			return false;
		if (i < vip_cnt)
			sa->vips[sa->vip_cnt++] = a;
	}
	for (i = 0; i < TW_IKE_TS_MAX; i++) {
		if (!rd_range(rd, &r))
			return false;
		if (i < ts_cnt)
			sa->ts[sa->ts_cnt++] = r;
	}
	return true;
}

static bool
read_sa(struct tw_rd *rd, struct tw_ike_msg *m)
{
	struct tw_ike_sa *sa = &m->sa;
	uint16_t key_len;
	uint32_t flags;

	if (!read_sa_head(rd, m) || !tw_rd_u32(rd, &flags))
		return false;
	set_flags(sa, flags);
	if (!rd_addr(rd, &sa->local, &sa->local_port) ||
		!rd_addr(rd, &sa->remote, &sa->remote_port) || !tw_rd_u16(rd, &sa->prf) ||
		!tw_rd_u16(rd, &key_len) || !tw_rd_skip(rd, 4) || !key_fits(m, key_len))
		return false;
	sa->key_len = (uint8_t)key_len;
	m->key = rd->p;
	return tw_rd_skip(rd, TW_IKE_KEY_MAX) && rd_id(rd, sa->local_id, &sa->is_local_id_odd) &&
	       rd_id(rd, sa->remote_id, &sa->is_remote_id_odd) &&
	       rd_padded(rd, sa->conn, CONN_LEN) && read_selectors(rd, sa);
}

/* An event says in its type what the state in it must be. */
static bool
state_fits(const struct tw_ike_msg *m)
{
	switch (m->type) {
	case TW_IKE_MSG_SA_CONNECTING:
		return m->state == TW_IKE_MSG_S_CONNECTING;
	case TW_IKE_MSG_SA_UP:
	case TW_IKE_MSG_SA_REKEYED:
		return m->state == TW_IKE_MSG_S_ESTABLISHED;
	case TW_IKE_MSG_SA_DOWN:
	case TW_IKE_MSG_SA_FAILED:
		return m->state == TW_IKE_MSG_S_GONE;
	default:
		return m->state != TW_IKE_MSG_S_GONE;
	}
}

int
tw_ike_msg_read(const void *packet, size_t len, struct tw_ike_msg *out)
{
	struct tw_rd rd = tw_rd_init(packet, len);
	uint32_t size;
	bool is_good;

	memset(out, 0, sizeof(*out));
	if (!tw_rd_u16(&rd, &out->version) || !tw_rd_u16(&rd, &out->type) ||
		!tw_rd_u32(&rd, &size) || size != len)
		return -EBADMSG;
	if (out->version != TW_IKE_MSG_VERSION)
		return -EPROTONOSUPPORT;
	if (!tw_rd_u64(&rd, &out->seq))
		return -EBADMSG;
	if (out->type > TW_IKE_MSG_SA_FAILED) /* an event that was added later */
		return 0;
	if (size != size_of(out->type))
		return -EBADMSG;
	if (out->type == TW_IKE_MSG_HELLO)
		is_good = read_hello(&rd, &out->hello);
	else if (out->type == TW_IKE_MSG_RESULT)
		is_good = read_result(&rd, &out->result);
	else
		is_good = read_sa(&rd, out) && state_fits(out);
	return is_good ? 0 : -EBADMSG;
}

/* ---- requests ---- */

static bool
wr_addr(struct tw_wr *wr, const struct tw_addr *a)
{
	return tw_wr_u8(wr, a->family) && tw_wr_zero(wr, 3) && tw_wr_bytes(wr, a->b, 16);
}

static bool
wr_padded(struct tw_wr *wr, const char *text, size_t len)
{
	size_t used = strlen(text);

	return used <= len && tw_wr_bytes(wr, text, used) && tw_wr_zero(wr, len - used);
}

static bool
wr_id(struct tw_wr *wr, const char *text)
{
	return tw_wr_u16(wr, 0) && tw_wr_u16(wr, (uint16_t)strlen(text)) &&
	       wr_padded(wr, text, ID_LEN);
}

static bool
write_initiate(struct tw_wr *wr, const struct tw_ike_req *req)
{
	return req->deadline_ms >= 1 && req->deadline_ms <= TW_IKE_INITIATE_MAX_MS &&
	       wr_addr(wr, &req->peer) && wr_addr(wr, &req->local) &&
	       tw_wr_u32(wr, req->deadline_ms) && tw_wr_zero(wr, 4) &&
	       wr_padded(wr, req->conn, CONN_LEN) && wr_id(wr, req->remote_id);
}

static bool
write_body(struct tw_wr *wr, const struct tw_ike_req *req)
{
	switch (req->type) {
	case TW_IKE_MSG_STATUS:
	case TW_IKE_MSG_SUBSCRIBE:
		return true;
	case TW_IKE_MSG_LIST:
		return tw_wr_u64(wr, req->cursor);
	case TW_IKE_MSG_LOOKUP_SPI:
		return tw_wr_bytes(wr, req->spis.i, TW_IKE_SPI_LEN) &&
		       tw_wr_bytes(wr, req->spis.r, TW_IKE_SPI_LEN);
	case TW_IKE_MSG_LOOKUP_PEER:
		return wr_addr(wr, &req->peer) && tw_wr_zero(wr, 4) && wr_id(wr, req->remote_id);
	case TW_IKE_MSG_INITIATE:
		return write_initiate(wr, req);
	default:
		return false;
	}
}

size_t
tw_ike_msg_write(const struct tw_ike_req *req, void *out, size_t size)
{
	struct tw_wr wr = tw_wr_init(out, size);
	size_t len;

	if (!tw_wr_u16(&wr, TW_IKE_MSG_VERSION) || !tw_wr_u16(&wr, req->type) ||
		!tw_wr_zero(&wr, 4) || !tw_wr_u64(&wr, req->seq) || !write_body(&wr, req))
		return 0;
	len = size - wr.left;
	tw_store_be32((uint8_t *)out + 4, (uint32_t)len);
	return len;
}

/* ---- names ---- */

const char *
tw_ike_msg_status_name(unsigned status)
{
	static const char *const names[TW_IKE_MSG_STATUS_N] = {"ok", "already", "not_found",
		"no_connection", "failed", "timed_out", "busy", "bad_request", "bad_version"};

	return status < TW_IKE_MSG_STATUS_N ? names[status] : "?";
}

const char *
tw_ike_msg_reason_name(unsigned reason)
{
	static const char *const names[TW_IKE_MSG_R_N] = {
		"none", "deleted", "rekeyed", "dead", "shutdown", "failed"};

	return reason < TW_IKE_MSG_R_N ? names[reason] : "?";
}
