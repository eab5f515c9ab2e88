/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * TWAMP-Control messages as structs, and the two functions each has: octets to struct, struct to
 * octets. Members are in host order and named as in the RFC. Fields that must be zero are written
 * as zero and ignored when read. HMAC fields are 16 plain octets: who computes, checks or
 * encrypts them is not known here.
 *
 * Context of everything here: any thread, on the caller's memory.
 */
#ifndef TW_WIRE_H
#define TW_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tw_addr.h"
#include "tw_base.h"
#include "tw_mode.h"
#include "tw_tst.h"

#define TW_WIRE_BLOCK_LEN     16 /* no message is shorter; its first block tells its length */
#define TW_WIRE_CHALLENGE_LEN 16
#define TW_WIRE_SALT_LEN      16
#define TW_WIRE_KEY_ID_LEN    80
#define TW_WIRE_SPIS_LEN      16 /* SPIi, SPIr: beginning of a KeyID, RFC 7717 5.3 */
#define TW_WIRE_TOKEN_LEN     64
#define TW_WIRE_IV_LEN        16
#define TW_WIRE_SID_LEN       16
#define TW_WIRE_ADDR_LEN      16
#define TW_WIRE_HMAC_LEN      16
/* Octets of Server-Start that are never encrypted; the next ones are the stream's first block. */
#define TW_WIRE_SERVER_START_CLEAR_LEN 32

/* TW_WIRE_GREETING_LEN = 64, TW_WIRE_SETUP_RESPONSE_LEN = 164, ...: octets of each message. */
enum {
#define TW_WIRE_MSG(NAME, name, len, title, clause) TW_WIRE_##NAME##_LEN = (len),
#include "ctl_msgs.def"
};

/* TW_WIRE_CMD_START_SESSIONS = 2, ...: command numbers that we know, served or not. */
enum tw_wire_cmd {
#define TW_WIRE_CMD(NAME, number, total, hmac1_off, title, clause) TW_WIRE_CMD_##NAME = (number),
#include "ctl_msgs.def"
};

/* Accept values. RFC 4656 3.3, RFC 7717 5.3 */
enum tw_wire_accept {
	TW_WIRE_ACCEPT_OK = 0,
	TW_WIRE_ACCEPT_FAILURE = 1,         /* catch-all: authentication, policy */
	TW_WIRE_ACCEPT_INTERNAL = 2,        /* internal error */
	TW_WIRE_ACCEPT_UNSUPPORTED = 3,     /* some aspect of the request is not supported */
	TW_WIRE_ACCEPT_PERMANENT_LIMIT = 4, /* resource limit that configuration can never serve */
	TW_WIRE_ACCEPT_TEMPORARY_LIMIT = 5, /* resource limit now */
	TW_WIRE_ACCEPT_NO_IKE_SA = 6,       /* no IKE SA for these SPIs; Server-Start only */
	TW_WIRE_ACCEPT_N
};

/* Server-Greeting. RFC 4656 3.1 */
struct tw_wire_greeting {
	uint32_t modes; /* offered; 0 refuses service */
	uint8_t challenge[TW_WIRE_CHALLENGE_LEN];
	uint8_t salt[TW_WIRE_SALT_LEN];
	uint32_t count; /* PBKDF2 iterations */
};

/* Set-Up-Response. RFC 4656 3.1. In open mode all but Mode is zero. */
struct tw_wire_setup_response {
	uint32_t mode;                      /* selected */
	uint8_t key_id[TW_WIRE_KEY_ID_LEN]; /* UTF-8, zero padded; with TW_MODE_IKEV2: SPIi, SPIr */
	uint8_t token[TW_WIRE_TOKEN_LEN];
	uint8_t client_iv[TW_WIRE_IV_LEN];
};

/*
 * Server-Start. RFC 4656 3.1. The block with Start-Time is the first encrypted one if Accept is 0
 * and the mode protects control: read once for Accept and Server-IV, decrypt it, read again.
 */
struct tw_wire_server_start {
	uint8_t accept;                    /* enum tw_wire_accept */
	uint8_t server_iv[TW_WIRE_IV_LEN]; /* zero if open or refused */
	uint64_t start_time;               /* NTP; zero if refused */
};

/* Request-TW-Session. RFC 5357 3.5 */
struct tw_wire_request_tw {
	uint8_t ipvn;          /* 4 or 6; low 4 bits of its octet */
	uint8_t conf_sender;   /* 0 */
	uint8_t conf_receiver; /* 0 */
	uint32_t slot_cnt;     /* Number of Schedule Slots, 0 */
	uint32_t packet_cnt;   /* Number of Packets, 0 */
	uint16_t sender_port;
	uint16_t receiver_port;
	uint8_t sender_addr[TW_WIRE_ADDR_LEN];   /* zero: the peer of the connection */
	uint8_t receiver_addr[TW_WIRE_ADDR_LEN]; /* zero: our end of the connection */
	uint8_t sid[TW_WIRE_SID_LEN];            /* zero: the server makes it */
	uint32_t padding_len;                    /* Padding Length */
	uint64_t start_time;                     /* NTP; zero or past: at once */
	uint64_t timeout;                        /* 32.32 seconds */
	uint32_t type_p;                         /* Type-P Descriptor: DSCP << 24 */
	uint16_t reflect_octets;                 /* RFC 6038 4.1; zero without TW_MODE_REFLECT */
	uint16_t reflect_len; /* Length of padding to reflect; zero without TW_MODE_REFLECT */
	uint8_t hmac[TW_WIRE_HMAC_LEN];
};

/* Accept-Session. RFC 5357 3.5 */
struct tw_wire_accept_session {
	uint8_t accept; /* enum tw_wire_accept */
	uint16_t port;  /* zero if refused */
	uint8_t sid[TW_WIRE_SID_LEN];
	uint16_t reflected_octets; /* RFC 6038 4.2; zero without TW_MODE_REFLECT */
	uint16_t server_octets;    /* RFC 6038 4.2; zero without TW_MODE_REFLECT */
	uint8_t hmac[TW_WIRE_HMAC_LEN];
};

/* Start-Sessions. RFC 4656 3.7 */
struct tw_wire_start_sessions {
	uint8_t hmac[TW_WIRE_HMAC_LEN];
};

/* Start-Ack. RFC 4656 3.7 */
struct tw_wire_start_ack {
	uint8_t accept; /* enum tw_wire_accept */
	uint8_t hmac[TW_WIRE_HMAC_LEN];
};

/* Stop-Sessions of TWAMP. RFC 5357 3.8 */
struct tw_wire_stop_sessions {
	uint8_t accept;       /* 0 normal end; else results are of doubtful value */
	uint32_t session_cnt; /* Number of Sessions in progress */
	uint8_t hmac[TW_WIRE_HMAC_LEN];
};

/*
 * tw_wire_greeting_read() and _write(), and so on for every message.
 *
 * _read: take one message from @p rd.
 *   @return false if it is cut short or its Command octet is another one; @p out is then unchanged
 *           and the reader failed
 * _write: append one message to @p wr.
 *   @return false if it does not fit; nothing is then written and the writer failed
 */
#define TW_WIRE_MSG(NAME, name, len, title, clause)                                                \
	bool tw_wire_##name##_read(struct tw_rd *rd, struct tw_wire_##name *out);                  \
	bool tw_wire_##name##_write(struct tw_wr *wr, const struct tw_wire_##name *in);
#include "ctl_msgs.def"

/**
 * Octets of the command that starts with these 16 (clear) ones, its HMACs included. Known for every
 * number of enum tw_wire_cmd, whether we serve it or not, so that a refused one can be consumed.
 *
 * @param first    first block of the command
 * @param item_max bound for schedule slots or sessions it may name, checked before any arithmetic
 * @return the length, a multiple of 16; 0 if the number is not known or names too many items
 */
size_t tw_wire_cmd_len(const uint8_t first[TW_WIRE_BLOCK_LEN], uint32_t item_max);

/** Offset of an HMAC inside the command, before the one that ends it; 0 if it has none. */
size_t tw_wire_cmd_hmac1_off(uint8_t cmd);

/** Name of a command for traces; "unknown" if the number is not known. */
const char *tw_wire_cmd_name(uint8_t cmd);

/** Accept value as it is to be understood: those not known count as TW_WIRE_ACCEPT_FAILURE. */
enum tw_wire_accept tw_wire_accept_of(uint8_t accept);

/** What an Accept value means, a few words for people. */
const char *tw_wire_accept_name(uint8_t accept);

/**
 * Octets of the name in a KeyID field: up to the first zero, all 80 if there is none.
 * @return 0 if it is empty or not UTF-8
 */
size_t tw_wire_key_id_len(const uint8_t key_id[TW_WIRE_KEY_ID_LEN]);

/**
 * Fill a KeyID field with a name.
 * @return false, the field unchanged, if the name is empty, too long, no UTF-8 or holds a zero
 */
bool tw_wire_key_id_set(uint8_t key_id[TW_WIRE_KEY_ID_LEN], const char *name, size_t len);

/**
 * Address field of Request-TW-Session as an address.
 * @return family TW_ADDR_NONE if @p ipvn is neither 4 nor 6
 */
struct tw_addr tw_wire_addr_get(uint8_t ipvn, const uint8_t field[TW_WIRE_ADDR_LEN]);

/** Write an address into an address field: IPv4 in the first four octets, the rest zero. */
void tw_wire_addr_set(uint8_t field[TW_WIRE_ADDR_LEN], const struct tw_addr *addr);

#endif /* TW_WIRE_H */
