/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/* Copyright (c) 2026 The twampline authors */
/*
 * Records between an IKE daemon and a user of its IKEv2-derived keys (RFC 7717); SOCKET.md says
 * what they mean. One record is one packet of a SOCK_SEQPACKET Unix socket. Each type has one size,
 * numbers are in network order (_be), addresses and SPIs are octets as they stand on the wire,
 * text is counted, unused octets are zero. Needs nothing but the C library, so that either side
 * may use it; whoever prefers a codec of its own finds every offset asserted at the end.
 */
#ifndef IPPM_SOCKET_H
#define IPPM_SOCKET_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define IPPM_VERSION 1

#define IPPM_SPI_LEN     8
#define IPPM_KEY_MAX     64     /* octets of the longest prf output */
#define IPPM_ID_MAX      252    /* octets of an identity's text */
#define IPPM_NAME_MAX    64     /* octets of a connection's name */
#define IPPM_TEXT_MAX    96     /* octets of a result's explanation */
#define IPPM_VIP_MAX     4      /* virtual IPs in a record */
#define IPPM_TS_MAX      16     /* remote traffic selectors in a record */
#define IPPM_PAGE_MAX    32     /* SAs in one page of LIST */
#define IPPM_DEADLINE_MS 120000 /* longest deadline of INITIATE */

enum ippm_type {
	/* client to daemon */
	IPPM_STATUS = 1,      /* struct ippm_hdr */
	IPPM_SUBSCRIBE = 2,   /* struct ippm_hdr */
	IPPM_LIST = 3,        /* struct ippm_list */
	IPPM_LOOKUP_SPI = 4,  /* struct ippm_lookup_spi */
	IPPM_LOOKUP_PEER = 5, /* struct ippm_lookup_peer */
	IPPM_INITIATE = 6,    /* struct ippm_initiate */
	/* daemon to client, answers */
	IPPM_HELLO = 64,  /* struct ippm_hello: first packet of each connection; answer to STATUS */
	IPPM_RESULT = 65, /* struct ippm_result: ends each answer */
	IPPM_SA = 66,     /* struct ippm_sa: an SA that was asked for */
	/* daemon to client, events after SUBSCRIBE: struct ippm_sa */
	IPPM_SA_CONNECTING = 128, /* being set up, the peer is not authenticated yet: no key */
	IPPM_SA_UP = 129,         /* established */
	IPPM_SA_REKEYED = 130, /* established in place of another, named in old_spi_i, old_spi_r */
	IPPM_SA_MOVED = 131,   /* new addresses, same SPIs and key */
	IPPM_SA_CHILD = 132,   /* traffic selectors or virtual IPs changed */
	IPPM_SA_DOWN = 133,    /* gone; reason says why, new_spi_i and new_spi_r its successor */
	IPPM_SA_FAILED = 134,  /* gone without ever having been established */
};

enum ippm_status {
	IPPM_OK = 0,            /* done; INITIATE: a new SA was set up */
	IPPM_ALREADY = 1,       /* INITIATE: such an SA was there before */
	IPPM_NOT_FOUND = 2,     /* LOOKUP: no such SA */
	IPPM_NO_CONNECTION = 3, /* INITIATE: the daemon knows no connection to that peer */
	IPPM_FAILED = 4,        /* INITIATE: the daemon tried and failed */
	IPPM_TIMED_OUT = 5,     /* INITIATE: not established at the deadline */
	IPPM_BUSY = 6,          /* INITIATE: too many at a time */
	IPPM_BAD_REQUEST = 7,   /* size, type or a field; the daemon closes the connection */
	IPPM_BAD_VERSION = 8,   /* version the daemon does not speak; it closes the connection */
};

enum ippm_state {
	IPPM_S_CONNECTING = 1,  /* no key */
	IPPM_S_ESTABLISHED = 2, /* both ends authenticated */
	IPPM_S_SUPERSEDED = 3,  /* rekeyed: established, with a successor */
	IPPM_S_GONE = 4,        /* in SA_DOWN and SA_FAILED only; no key */
};

enum ippm_role {
	IPPM_INITIATOR = 1, /* the daemon is the original initiator of this IKE SA */
	IPPM_RESPONDER = 2,
};

enum ippm_reason {
	IPPM_R_NONE = 0,
	IPPM_R_DELETED = 1,  /* by either side, or reauthenticated */
	IPPM_R_REKEYED = 2,  /* superseded; its key is worth a grace period */
	IPPM_R_DEAD = 3,     /* the peer does not answer */
	IPPM_R_SHUTDOWN = 4, /* the daemon stops */
	IPPM_R_FAILED = 5,   /* set-up failed */
};

/* flags of an SA */
#define IPPM_F_LOCAL_ID_CUT  0x0001u /* local_id did not fit: match nothing with it */
#define IPPM_F_REMOTE_ID_CUT 0x0002u
#define IPPM_F_VIP_CUT       0x0004u /* more virtual IPs than the record holds */
#define IPPM_F_TS_CUT        0x0008u /* more traffic selectors than the record holds */
#define IPPM_F_PPK           0x0010u /* a post-quantum preshared key is mixed in (RFC 8784) */
#define IPPM_F_LOCAL_NAT     0x0020u /* this end is behind a NAT */
#define IPPM_F_REMOTE_NAT    0x0040u /* the peer is behind a NAT */

/* flags of a result of LOOKUP_PEER and INITIATE: what the daemon knows of that address */
#define IPPM_F_KNOWN_PEER 0x0100u /* some connection names the address, or a subnet it is in */
#define IPPM_F_ANY_PEER   0x0200u /* some connection takes any peer */
#define IPPM_F_SETTING_UP 0x0400u /* an SA with that address is being set up */

struct ippm_hdr {
	uint16_t version_be; /* IPPM_VERSION; place and meaning are the same in every version */
	uint16_t type_be;    /* enum ippm_type */
	uint32_t size_be;    /* octets of the record, this header included */
	uint64_t seq_be;     /* requests: any; answers: as in the request; else: 0 */
};

struct ippm_addr {
	uint8_t family; /* 4, 6, or 0 for none */
	uint8_t zero;
	uint16_t port_be;
	uint8_t addr[16]; /* IPv4 in the first four */
};

struct ippm_id {
	uint8_t type; /* ID type of RFC 7296 3.5: 1, 2, 3, 5, 9, 10, 11; 0 for none */
	uint8_t zero;
	uint16_t len_be;
	char text[IPPM_ID_MAX]; /* len octets as the daemon prints the identity */
};

/* The addresses and ports a traffic selector covers, RFC 7296 3.13.1. */
struct ippm_ts {
	uint8_t family; /* 4 or 6 */
	uint8_t proto;  /* IP protocol, 0 for any */
	uint16_t from_port_be;
	uint16_t to_port_be;
	uint16_t zero;
	uint8_t from[16];
	uint8_t to[16];
};

struct ippm_sa {
	struct ippm_hdr hdr;
	uint64_t serial_be; /* of the SA, from 1 up, never used again before the boot id changes */
	uint8_t spi_i[IPPM_SPI_LEN];
	uint8_t spi_r[IPPM_SPI_LEN];     /* zero while not known */
	uint8_t old_spi_i[IPPM_SPI_LEN]; /* the SA this one is a rekeying of, else zero */
	uint8_t old_spi_r[IPPM_SPI_LEN];
	uint8_t new_spi_i[IPPM_SPI_LEN]; /* the SA that superseded this one, else zero */
	uint8_t new_spi_r[IPPM_SPI_LEN];
	uint64_t established_be; /* seconds since 1970, UTC; 0 while being set up */
	uint8_t state;           /* enum ippm_state */
	uint8_t role;            /* enum ippm_role */
	uint8_t reason;          /* enum ippm_reason */
	uint8_t zero;
	uint32_t flags_be;
	struct ippm_addr local;
	struct ippm_addr remote;
	uint16_t prf_be; /* IKEv2 transform type 2: 2 SHA1, 4 AES-XCBC, 5 SHA2-256, 8 AES-CMAC */
	uint16_t key_len_be; /* 16..64, or 0 when the record carries no key */
	uint32_t zero2;
	uint8_t key[IPPM_KEY_MAX]; /* prf(SK_d, "IPPM") */
	struct ippm_id local_id;
	struct ippm_id remote_id;
	char connection[IPPM_NAME_MAX]; /* name in the daemon's configuration, zero padded */
	uint16_t vip_cnt_be;
	uint16_t ts_cnt_be;
	uint32_t zero3;
	struct ippm_addr vip[IPPM_VIP_MAX]; /* virtual IPs of the peer; port 0 */
	struct ippm_ts ts[IPPM_TS_MAX];     /* remote side of the Child SAs, without repetition */
};

struct ippm_hello {
	struct ippm_hdr hdr;
	uint16_t version_min_be; /* versions the daemon speaks */
	uint16_t version_max_be;
	uint32_t sa_cnt_be;    /* SAs a LIST would give now */
	uint8_t boot_id[16];   /* random, new at each start of the daemon */
	uint64_t started_be;   /* seconds since 1970, UTC */
	char name[32];         /* of the daemon, zero padded: "strongswan" */
	char release[32];      /* its version, zero padded: "5.9.8" */
	uint32_t not_shown_be; /* SAs being set up that were over the limit of announcing */
	uint32_t zero;
};

struct ippm_list {
	struct ippm_hdr hdr;
	uint64_t cursor_be; /* 0, then as the last result said */
};

struct ippm_lookup_spi {
	struct ippm_hdr hdr;
	uint8_t spi_i[IPPM_SPI_LEN];
	uint8_t spi_r[IPPM_SPI_LEN];
};

struct ippm_lookup_peer {
	struct ippm_hdr hdr;
	struct ippm_addr peer; /* family 4 or 6 */
	uint32_t zero;
	struct ippm_id remote_id; /* type ignored; len 0: any */
};

struct ippm_initiate {
	struct ippm_hdr hdr;
	struct ippm_addr peer;   /* family 4 or 6, port 0 for the daemon's choice */
	struct ippm_addr local;  /* family 0: any */
	uint32_t deadline_ms_be; /* 1..IPPM_DEADLINE_MS */
	uint32_t zero;
	char connection[IPPM_NAME_MAX]; /* all zero: any */
	struct ippm_id remote_id;       /* type ignored; len 0: any */
};

struct ippm_result {
	struct ippm_hdr hdr;
	uint16_t status_be;  /* enum ippm_status */
	uint16_t request_be; /* type of the request */
	uint32_t flags_be;
	uint64_t cursor_be; /* LIST: of the next page, 0 after the last */
	uint32_t cnt_be;    /* SA records that came before this one in the same answer */
	uint32_t zero;
	char text[IPPM_TEXT_MAX]; /* for a log, zero padded, may be empty; never key material */
};

#define IPPM_AT(type, field, offset)                                                               \
	static_assert(offsetof(struct type, field) == (offset), #type "." #field)
#define IPPM_SIZE(type, size) static_assert(sizeof(struct type) == (size), #type)

IPPM_AT(ippm_hdr, type_be, 2);
IPPM_AT(ippm_hdr, size_be, 4);
IPPM_AT(ippm_hdr, seq_be, 8);
IPPM_SIZE(ippm_hdr, 16);
IPPM_AT(ippm_addr, port_be, 2);
IPPM_AT(ippm_addr, addr, 4);
IPPM_SIZE(ippm_addr, 20);
IPPM_AT(ippm_id, len_be, 2);
IPPM_AT(ippm_id, text, 4);
IPPM_SIZE(ippm_id, 256);
IPPM_AT(ippm_ts, from_port_be, 2);
IPPM_AT(ippm_ts, to_port_be, 4);
IPPM_AT(ippm_ts, from, 8);
IPPM_AT(ippm_ts, to, 24);
IPPM_SIZE(ippm_ts, 40);
IPPM_AT(ippm_sa, serial_be, 16);
IPPM_AT(ippm_sa, spi_i, 24);
IPPM_AT(ippm_sa, spi_r, 32);
IPPM_AT(ippm_sa, old_spi_i, 40);
IPPM_AT(ippm_sa, old_spi_r, 48);
IPPM_AT(ippm_sa, new_spi_i, 56);
IPPM_AT(ippm_sa, new_spi_r, 64);
IPPM_AT(ippm_sa, established_be, 72);
IPPM_AT(ippm_sa, state, 80);
IPPM_AT(ippm_sa, role, 81);
IPPM_AT(ippm_sa, reason, 82);
IPPM_AT(ippm_sa, flags_be, 84);
IPPM_AT(ippm_sa, local, 88);
IPPM_AT(ippm_sa, remote, 108);
IPPM_AT(ippm_sa, prf_be, 128);
IPPM_AT(ippm_sa, key_len_be, 130);
IPPM_AT(ippm_sa, key, 136);
IPPM_AT(ippm_sa, local_id, 200);
IPPM_AT(ippm_sa, remote_id, 456);
IPPM_AT(ippm_sa, connection, 712);
IPPM_AT(ippm_sa, vip_cnt_be, 776);
IPPM_AT(ippm_sa, ts_cnt_be, 778);
IPPM_AT(ippm_sa, vip, 784);
IPPM_AT(ippm_sa, ts, 864);
IPPM_SIZE(ippm_sa, 1504);
IPPM_AT(ippm_hello, version_min_be, 16);
IPPM_AT(ippm_hello, version_max_be, 18);
IPPM_AT(ippm_hello, sa_cnt_be, 20);
IPPM_AT(ippm_hello, boot_id, 24);
IPPM_AT(ippm_hello, started_be, 40);
IPPM_AT(ippm_hello, name, 48);
IPPM_AT(ippm_hello, release, 80);
IPPM_AT(ippm_hello, not_shown_be, 112);
IPPM_SIZE(ippm_hello, 120);
IPPM_AT(ippm_list, cursor_be, 16);
IPPM_SIZE(ippm_list, 24);
IPPM_AT(ippm_lookup_spi, spi_i, 16);
IPPM_AT(ippm_lookup_spi, spi_r, 24);
IPPM_SIZE(ippm_lookup_spi, 32);
IPPM_AT(ippm_lookup_peer, peer, 16);
IPPM_AT(ippm_lookup_peer, remote_id, 40);
IPPM_SIZE(ippm_lookup_peer, 296);
IPPM_AT(ippm_initiate, peer, 16);
IPPM_AT(ippm_initiate, local, 36);
IPPM_AT(ippm_initiate, deadline_ms_be, 56);
IPPM_AT(ippm_initiate, connection, 64);
IPPM_AT(ippm_initiate, remote_id, 128);
IPPM_SIZE(ippm_initiate, 384);
IPPM_AT(ippm_result, status_be, 16);
IPPM_AT(ippm_result, request_be, 18);
IPPM_AT(ippm_result, flags_be, 20);
IPPM_AT(ippm_result, cursor_be, 24);
IPPM_AT(ippm_result, cnt_be, 32);
IPPM_AT(ippm_result, text, 40);
IPPM_SIZE(ippm_result, 136);

#undef IPPM_AT
#undef IPPM_SIZE

#endif
