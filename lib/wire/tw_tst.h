/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Test packets: one struct tw_tst_fmt says all that a reflector and a sender must know about a
 * format, and reads and writes its plain octets. Cryptography is the caller's: it turns the first
 * `cover` octets into clear text before a read, and protects them after a write.
 *
 * A session picks its format once and keeps the pointer. Nothing here allocates, divides or looks
 * at more octets than a length says. Context of everything here: any thread, on the caller's
 * memory.
 */
#ifndef TW_TST_H
#define TW_TST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tw_base.h"

enum tw_tst_prot {
	TW_TST_PROT_OPEN = 1, /* nothing protected, no HMAC field */
	TW_TST_PROT_AUTH, /* first block; timestamps stay in clear, so they may be written last */
	TW_TST_PROT_ENCR, /* the whole header: timestamps are written before protection */
	TW_TST_PROT_N
};

/* Longest covered part and longest header of any format. */
#define TW_TST_COVER_MAX    96
#define TW_TST_HEADER_MAX   112
#define TW_TST_OPEN_REP_LEN 41
/* Octets of the HMAC field of protected formats. */
#define TW_TST_HMAC_LEN 16

/* What a Session-Sender says. RFC 4656 4.1.2 */
struct tw_tst_req {
	uint64_t t1;  /* Timestamp, NTP */
	uint32_t seq; /* Sequence Number */
	uint16_t ee;  /* Error Estimate */
};

/* What a Session-Reflector says. RFC 5357 4.2.1 */
struct tw_tst_rep {
	uint64_t t3;         /* Timestamp, NTP */
	uint64_t t2;         /* Receive Timestamp, NTP */
	uint64_t sender_t1;  /* Sender Timestamp, as received */
	uint32_t seq;        /* Sequence Number, the reflector's own */
	uint32_t sender_seq; /* Sender Sequence Number */
	uint16_t ee;         /* Error Estimate, of t3 and t2 */
	uint16_t sender_ee;  /* Sender Error Estimate, as received */
	uint8_t sender_ttl;  /* Sender TTL, of the received IP header */
};

struct tw_tst_fmt {
	const char *name;
	uint8_t prot;       /* enum tw_tst_prot */
	uint16_t req_min;   /* octets before the padding of a request; a shorter one is dropped */
	uint16_t rep_min;   /* the same of a reply */
	uint16_t req_cover; /* first octets under AES and HMAC, 0 if open */
	uint16_t rep_cover;
	uint16_t req_hmac_off; /* 0 if open */
	uint16_t rep_hmac_off;
	uint16_t req_t_off; /* Timestamp; the Error Estimate follows it in every format */
	uint16_t rep_t_off;
	uint16_t rep_t2_off;
	uint16_t rep_sender_seq_off;
	uint16_t rep_sender_t1_off; /* the Sender Error Estimate follows it */
	uint16_t rep_sender_ttl_off;

	/**
	 * Read a reply of @p len octets, padding included; parameters as in tw_tst_read_req().
	 */
	bool (*read_rep)(
		const uint8_t *pkt, size_t len, const uint8_t *clear, struct tw_tst_rep *out);

	/**
	 * Write the clear header of a request, req_min octets; MBZ and the HMAC field become zero,
	 * octets after it are left alone (padding: see tw_tst_move_padding()).
	 *
	 * @param pkt  the UDP payload to be
	 * @param room octets available there
	 * @param in   values; a timestamp and Error Estimate written last may be anything now
	 * @return false, nothing written, if the header does not fit
	 */
	bool (*write_req)(uint8_t *pkt, size_t room, const struct tw_tst_req *in);
};

/* tw_tst_open, tw_tst_auth, tw_tst_encr */
#define TW_TST_FMT(NAME, name, sec, features) extern const struct tw_tst_fmt tw_tst_##name;
#include "tst_formats.def"

/** The format of a session of this mode; NULL if no row of tst_formats.def serves it. */
const struct tw_tst_fmt *tw_tst_fmt_for_mode(uint32_t mode);

/* What a reply repeats of its request, as it stands in both: in network order. */
struct tw_tst_echo {
	uint64_t t1_be;
	uint32_t seq_be;
	uint16_t ee_be;
};

/**
 * Take from a request, req_min octets or longer, what its reply repeats. Every format begins with
 * the Sequence Number and has the Error Estimate behind the Timestamp.
 *
 * @param pkt   the UDP payload as it was received
 * @param clear clear text of its first req_cover octets; not read if open
 */
static inline void
tw_tst_read_echo(const struct tw_tst_fmt *fmt, const uint8_t *pkt, const uint8_t *clear,
	struct tw_tst_echo *out)
{
	const uint8_t *t1 = (fmt->prot == TW_TST_PROT_ENCR ? clear : pkt) + fmt->req_t_off;

	memcpy(&out->seq_be, fmt->prot == TW_TST_PROT_OPEN ? pkt : clear, sizeof(out->seq_be));
	memcpy(&out->t1_be, t1, sizeof(out->t1_be));
	memcpy(&out->ee_be, t1 + sizeof(out->t1_be), sizeof(out->ee_be));
}

/** Multiplier of a request's Error Estimate. RFC 4656 4.1.2: must not be 0 */
static inline uint8_t
tw_tst_echo_multiplier(const struct tw_tst_echo *e)
{
	uint8_t b[sizeof(e->ee_be)];

	memcpy(b, &e->ee_be, sizeof(b));
	return b[1];
}

/* Sixteen octets, anywhere: compilers write less at a time. */
typedef uint64_t tw_tst_words __attribute__((vector_size(16), aligned(1), may_alias));

/**
 * Write the clear header of a reply, rep_min octets; T3, Error Estimate, MBZ and the HMAC field
 * become zero, octets after it are left alone (padding: see tw_tst_move_padding()).
 */
static inline void
tw_tst_write_echo(const struct tw_tst_fmt *fmt, uint8_t *pkt, uint32_t seq, uint64_t t2,
	const struct tw_tst_echo *e, uint8_t ttl)
{
	uint8_t *t1 = pkt + fmt->rep_sender_t1_off;

	if (fmt->prot == TW_TST_PROT_OPEN)
		memset(pkt, 0, TW_TST_OPEN_REP_LEN);
	else
		for (unsigned i = 0; i < TW_TST_HEADER_MAX; i += sizeof(tw_tst_words))
			*(tw_tst_words *)(void *)(pkt + i) = (tw_tst_words){0};
	tw_store_be32(pkt, seq);
	tw_store_be64(pkt + fmt->rep_t2_off, t2);
	memcpy(pkt + fmt->rep_sender_seq_off, &e->seq_be, sizeof(e->seq_be));
	memcpy(t1, &e->t1_be, sizeof(e->t1_be));
	memcpy(t1 + sizeof(e->t1_be), &e->ee_be, sizeof(e->ee_be));
	pkt[fmt->rep_sender_ttl_off] = ttl;
}

/**
 * The same of an authenticated reply whose block and HMAC are known: as it leaves, T3 and the Error
 * Estimate apart. Each of its seven pieces of 16 octets is written once.
 */
static inline void
tw_tst_write_auth_echo(uint8_t *pkt, const uint8_t *block, const uint8_t *hmac, uint64_t t2,
	const struct tw_tst_echo *e, uint8_t ttl)
{
	tw_tst_words *piece = (tw_tst_words *)(void *)pkt;

	/* the lower octets of a word come first, as everywhere here (tw_base.h) */
	piece[0] = *(const tw_tst_words *)(const void *)block;
	piece[1] = (tw_tst_words){0};
	piece[2] = (tw_tst_words){__builtin_bswap64(t2)};
	piece[3] = (tw_tst_words){e->seq_be};
	piece[4] = (tw_tst_words){e->t1_be, e->ee_be};
	piece[5] = (tw_tst_words){ttl};
	piece[6] = *(const tw_tst_words *)(const void *)hmac;
}

/**
 * Read a reply of rep_min octets or more, as read_rep does: in line, for the fast path.
 * @param clear  clear text of its first rep_cover octets, of which authenticated mode needs the
 *               first four; not read if open
 */
static inline void
tw_tst_read_rep(const struct tw_tst_fmt *fmt, const uint8_t *pkt, const uint8_t *clear,
	struct tw_tst_rep *out)
{
	const uint8_t *head = fmt->prot == TW_TST_PROT_ENCR ? clear : pkt;
	const uint8_t *t3 = head + fmt->rep_t_off, *t1 = head + fmt->rep_sender_t1_off;

	out->seq = tw_load_be32(fmt->prot == TW_TST_PROT_OPEN ? pkt : clear);
	out->t3 = tw_load_be64(t3);
	out->ee = tw_load_be16(t3 + sizeof(out->t3));
	out->t2 = tw_load_be64(head + fmt->rep_t2_off);
	out->sender_seq = tw_load_be32(head + fmt->rep_sender_seq_off);
	out->sender_t1 = tw_load_be64(t1);
	out->sender_ee = tw_load_be16(t1 + sizeof(out->sender_t1));
	out->sender_ttl = head[fmt->rep_sender_ttl_off];
}

/**
 * Read a request of @p len octets, padding included; parameters as in tw_tst_read_echo().
 * @param out   set on success only
 * @return false if @p len is shorter than the format's minimum
 */
bool tw_tst_read_req(const struct tw_tst_fmt *fmt, const uint8_t *pkt, size_t len,
	const uint8_t *clear, struct tw_tst_req *out);

/**
 * Write the clear header of a reply with all its values, as tw_tst_write_echo() does.
 * @param room octets available at @p pkt
 * @return false, nothing written, if the header does not fit
 */
bool tw_tst_write_rep(
	const struct tw_tst_fmt *fmt, uint8_t *pkt, size_t room, const struct tw_tst_rep *in);

/** Octets of the reply to a request of @p rx_len octets. RFC 5357 4.2.1 */
static inline size_t
tw_tst_reply_len(const struct tw_tst_fmt *fmt, size_t rx_len)
{
	return rx_len > fmt->rep_min ? rx_len : fmt->rep_min;
}

/**
 * Turn a request into the body of its reply, in place: padding moves behind the longer header,
 * the highest-numbered octets are dropped. The header is then written over the front, so the
 * request must have been read (and its HMAC checked) before.
 *
 * @param pkt    UDP payload: the request, then room for the reply
 * @param rx_len octets of the request
 * @param room   octets available at @p pkt in all
 * @return octets of the reply, or 0 if the request is shorter than req_min or the reply does not
 *         fit; the payload is then unchanged
 */
static inline size_t
tw_tst_move_padding(const struct tw_tst_fmt *fmt, uint8_t *pkt, size_t rx_len, size_t room)
{
	size_t len = tw_tst_reply_len(fmt, rx_len);

	if (rx_len < fmt->req_min || room < len)
		return 0;
	if (rx_len > fmt->rep_min)
		memmove(pkt + fmt->rep_min, pkt + fmt->req_min, rx_len - fmt->rep_min);
	return len;
}

/** Write a timestamp and its Error Estimate at @p t_off: the last thing before departure. */
static inline void
tw_tst_stamp(uint8_t *pkt, size_t t_off, uint64_t ntp, uint16_t ee)
{
	tw_store_be64(pkt + t_off, ntp);
	tw_store_be16(pkt + t_off + sizeof(ntp), ee);
}

#define TW_TST_OPEN_REQ_LEN    14 /* header of a request in open mode ... */
#define TW_TST_SECURED_REQ_LEN 48 /* ... and in the others */

/** As write_req with values of 0 but the Sequence Number: in line, for the fast path. */
static inline void
tw_tst_begin_req(const struct tw_tst_fmt *fmt, uint8_t *pkt, uint32_t seq)
{
	if (fmt->prot == TW_TST_PROT_OPEN)
		memset(pkt, 0, TW_TST_OPEN_REQ_LEN);
	else
		memset(pkt, 0, TW_TST_SECURED_REQ_LEN);
	tw_store_be32(pkt, seq);
}

/** The same of an authenticated request whose first block and HMAC are there, of 16 octets each. */
static inline void
tw_tst_begin_auth_req(uint8_t *pkt, const uint8_t *block, const uint8_t *hmac)
{
	memcpy(pkt, block, 16);
	memset(pkt + 16, 0, TW_TST_SECURED_REQ_LEN - 16 - TW_TST_HMAC_LEN);
	memcpy(pkt + TW_TST_SECURED_REQ_LEN - TW_TST_HMAC_LEN, hmac, TW_TST_HMAC_LEN);
}

/** T1 of a request. */
static inline void
tw_tst_stamp_req(const struct tw_tst_fmt *fmt, uint8_t *pkt, uint64_t t1, uint16_t ee)
{
	tw_tst_stamp(pkt, fmt->req_t_off, t1, ee);
}

/** T3 of a reply. */
static inline void
tw_tst_stamp_rep(const struct tw_tst_fmt *fmt, uint8_t *pkt, uint64_t t3, uint16_t ee)
{
	tw_tst_stamp(pkt, fmt->rep_t_off, t3, ee);
}

#endif /* TW_TST_H */
