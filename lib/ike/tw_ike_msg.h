/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Records of the socket between an IKE daemon and a user of its keys, version 1; what they mean is
 * told in app/ikeshim/SOCKET.md. One record is one packet. Reading checks everything: size of the
 * type, enumerations, lengths, families. Context: any thread, on the caller's memory.
 */
#ifndef TW_IKE_MSG_H
#define TW_IKE_MSG_H

#include "tw_ike.h"

#define TW_IKE_MSG_VERSION     1
#define TW_IKE_MSG_IN_MAX      1504 /* octets of the longest record a daemon sends */
#define TW_IKE_MSG_OUT_MAX     384  /* of the longest request */
#define TW_IKE_MSG_TEXT_SIZE   97
#define TW_IKE_MSG_NAME_SIZE   33
#define TW_IKE_BOOT_ID_LEN     16
#define TW_IKE_INITIATE_MAX_MS 120000

enum tw_ike_msg_type {
	TW_IKE_MSG_STATUS = 1,
	TW_IKE_MSG_SUBSCRIBE,
	TW_IKE_MSG_LIST,
	TW_IKE_MSG_LOOKUP_SPI,
	TW_IKE_MSG_LOOKUP_PEER,
	TW_IKE_MSG_INITIATE,
	TW_IKE_MSG_HELLO = 64,
	TW_IKE_MSG_RESULT,
	TW_IKE_MSG_SA,
	TW_IKE_MSG_SA_CONNECTING = 128,
	TW_IKE_MSG_SA_UP,
	TW_IKE_MSG_SA_REKEYED,
	TW_IKE_MSG_SA_MOVED,
	TW_IKE_MSG_SA_CHILD,
	TW_IKE_MSG_SA_DOWN,
	TW_IKE_MSG_SA_FAILED,
};
#define TW_IKE_MSG_EVENT_MIN 128 /* events of later versions of the daemon are skipped */

enum tw_ike_msg_status {
	TW_IKE_MSG_OK = 0,
	TW_IKE_MSG_ALREADY,
	TW_IKE_MSG_NOT_FOUND,
	TW_IKE_MSG_NO_CONNECTION,
	TW_IKE_MSG_FAILED,
	TW_IKE_MSG_TIMED_OUT,
	TW_IKE_MSG_BUSY,
	TW_IKE_MSG_BAD_REQUEST,
	TW_IKE_MSG_BAD_VERSION,
	TW_IKE_MSG_STATUS_N,
};

/* States of an SA on the socket. */
enum tw_ike_msg_state {
	TW_IKE_MSG_S_CONNECTING = 1,
	TW_IKE_MSG_S_ESTABLISHED,
	TW_IKE_MSG_S_SUPERSEDED,
	TW_IKE_MSG_S_GONE,
	TW_IKE_MSG_S_N
};

enum tw_ike_msg_reason {
	TW_IKE_MSG_R_NONE = 0,
	TW_IKE_MSG_R_DELETED,
	TW_IKE_MSG_R_REKEYED,
	TW_IKE_MSG_R_DEAD,
	TW_IKE_MSG_R_SHUTDOWN,
	TW_IKE_MSG_R_FAILED,
	TW_IKE_MSG_R_N
};

/* Flags of RESULT. */
#define TW_IKE_MSG_KNOWN_PEER 0x0100U
#define TW_IKE_MSG_ANY_PEER   0x0200U
#define TW_IKE_MSG_SETTING_UP 0x0400U

struct tw_ike_hello {
	uint16_t version_min, version_max;
	uint32_t sa_cnt;
	uint8_t boot_id[TW_IKE_BOOT_ID_LEN];
	uint64_t started_s;
	char name[TW_IKE_MSG_NAME_SIZE];
	char release[TW_IKE_MSG_NAME_SIZE];
	uint32_t not_shown_cnt;
};

struct tw_ike_result {
	uint16_t status;  /* enum tw_ike_msg_status */
	uint16_t request; /* enum tw_ike_msg_type */
	uint32_t flags;
	uint64_t cursor;
	uint32_t cnt;
	char text[TW_IKE_MSG_TEXT_SIZE];
};

/* A record as received. */
struct tw_ike_msg {
	uint16_t version;
	uint16_t type; /* enum tw_ike_msg_type, or an unknown event */
	uint64_t seq;
	union {
		struct tw_ike_hello hello;
		struct tw_ike_result result;
		struct {
			struct tw_ike_sa sa; /* `state` is for the store */
			struct tw_ike_spis old;
			bool has_old;
			struct tw_ike_spis successor;
			bool has_successor;
			uint8_t state;      /* enum tw_ike_msg_state */
			uint8_t reason;     /* enum tw_ike_msg_reason */
			const uint8_t *key; /* sa.key_len octets in the caller's packet */
		};
	};
};

/**
 * Read one record of a daemon. An unknown event (of the size its header says) is 0, with nothing
 * but its type and seq set.
 * @param len  of the packet
 * @return 0; -EPROTONOSUPPORT (another version: `version` set); -EBADMSG (anything else that is
 *         not as it must be)
 */
int tw_ike_msg_read(const void *packet, size_t len, struct tw_ike_msg *out);

/* A request. */
struct tw_ike_req {
	uint16_t type; /* STATUS .. INITIATE */
	uint64_t seq;
	uint64_t cursor;                /* LIST */
	struct tw_ike_spis spis;        /* LOOKUP_SPI */
	struct tw_addr peer;            /* LOOKUP_PEER, INITIATE */
	struct tw_addr local;           /* INITIATE; unset: any */
	uint32_t deadline_ms;           /* INITIATE: 1..TW_IKE_INITIATE_MAX_MS */
	char conn[TW_IKE_CONN_SIZE];    /* INITIATE; "": any */
	char remote_id[TW_IKE_ID_SIZE]; /* LOOKUP_PEER, INITIATE: equal to it; "": any */
};

/** Write a request. @return its octets; 0 if it does not fit or is none */
size_t tw_ike_msg_write(const struct tw_ike_req *req, void *out, size_t size);

/** "ok", "no_connection", ...; "?" if unknown. */
const char *tw_ike_msg_status_name(unsigned status);
/** "none", "deleted", "rekeyed", "dead", "shutdown", "failed"; "?" if unknown. */
const char *tw_ike_msg_reason_name(unsigned reason);

#endif /* TW_IKE_MSG_H */
