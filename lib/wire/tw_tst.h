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
#define TW_TST_COVER_MAX  96
#define TW_TST_HEADER_MAX 112
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

	/**
	 * Read a request or reply of @p len octets, padding included.
	 *
	 * @param pkt   the UDP payload as it was received
	 * @param len   its length
	 * @param clear clear text of its first req_cover/rep_cover octets; pkt itself if open
	 * @param out   set on success only
	 * @return false if @p len is shorter than the format's minimum
	 */
	bool (*read_req)(
		const uint8_t *pkt, size_t len, const uint8_t *clear, struct tw_tst_req *out);
	bool (*read_rep)(
		const uint8_t *pkt, size_t len, const uint8_t *clear, struct tw_tst_rep *out);

	/**
	 * Write the clear header, req_min/rep_min octets; MBZ and the HMAC field become zero,
	 * octets after it are left alone (padding: see tw_tst_move_padding()).
	 *
	 * @param pkt  the UDP payload to be
	 * @param room octets available there
	 * @param in   values; a timestamp and Error Estimate written last may be anything now
	 * @return false, nothing written, if the header does not fit
	 */
	bool (*write_req)(uint8_t *pkt, size_t room, const struct tw_tst_req *in);
	bool (*write_rep)(uint8_t *pkt, size_t room, const struct tw_tst_rep *in);
};

/* tw_tst_open, tw_tst_auth, tw_tst_encr */
#define TW_TST_FMT(NAME, name, sec, features) extern const struct tw_tst_fmt tw_tst_##name;
#include "tst_formats.def"

/** The format of a session of this mode; NULL if no row of tst_formats.def serves it. */
const struct tw_tst_fmt *tw_tst_fmt_for_mode(uint32_t mode);

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
