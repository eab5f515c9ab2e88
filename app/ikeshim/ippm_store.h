/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/* Copyright (c) 2026 The twampline authors */
/*
 * The SAs a daemon shows, in the order of their serial numbers, found again by the daemon's own
 * object (`owner`). Records are kept as they are sent. Context: one thread at a time, the caller
 * locks; nothing of charon.
 */
#ifndef IPPM_STORE_H
#define IPPM_STORE_H

#include <stdbool.h>

#include "ippm_socket.h"

#define IPPM_BUCKETS 1024 /* power of two */

struct ippm_node {
	struct ippm_node *prev, *next; /* by serial */
	struct ippm_node *chain;       /* of the bucket of its owner */
	const void *owner;
	bool is_dead; /* the peer was found not to answer */
	struct ippm_sa rec;
};

struct ippm_store {
	struct ippm_node *first, *last;
	struct ippm_node *buckets[IPPM_BUCKETS];
	uint64_t last_serial;
	uint32_t cnt;
	uint32_t connecting_cnt; /* of them in state CONNECTING */
};

/* Overwrite, however sure the compiler is that nobody looks at it again. */
void ippm_wipe(void *p, size_t len);

/* Remove and wipe all. */
void ippm_store_fini(struct ippm_store *store);

/**
 * A record for a new SA, at the end of the list, with the next serial number.
 *
 * @param rec  copied; hdr and serial_be are set here
 * @return NULL without memory
 */
struct ippm_node *ippm_store_add(
	struct ippm_store *store, const void *owner, const struct ippm_sa *rec);

/* The node of an owner, or NULL. */
struct ippm_node *ippm_store_find(const struct ippm_store *store, const void *owner);

/* Set the state of a node; the store counts those being set up. */
void ippm_store_set_state(struct ippm_store *store, struct ippm_node *node, enum ippm_state state);

/* Take a node out and wipe it. */
void ippm_store_remove(struct ippm_store *store, struct ippm_node *node);

/* The first node with a serial number above `cursor`, or NULL. */
struct ippm_node *ippm_store_after(const struct ippm_store *store, uint64_t cursor);

/* The node with these SPIs, or NULL. */
struct ippm_node *ippm_store_by_spi(
	const struct ippm_store *store, const uint8_t *spi_i, const uint8_t *spi_r);

/**
 * The newest established SA that leads to an address: its remote address, one of the peer's virtual
 * IPs, or inside a remote traffic selector.
 *
 * @param local       NULL or family 0: any
 * @param connection  "": any
 * @param remote_id   "": any
 */
struct ippm_node *ippm_store_by_peer(const struct ippm_store *store, const struct ippm_addr *peer,
	const struct ippm_addr *local, const char *connection, const char *remote_id);

/* The newest SA with that remote address that is being set up, by this end if so asked. */
struct ippm_node *ippm_store_setting_up(
	const struct ippm_store *store, const struct ippm_addr *peer, bool by_us);

/* Same family and address; ports are not compared. */
bool ippm_addr_equal(const struct ippm_addr *a, const struct ippm_addr *b);

#endif
