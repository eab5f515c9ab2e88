/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/* Copyright (c) 2026 The twampline authors */
/*
 * The list of SAs. Hooks find an SA by its owner in a bucket; requests of clients walk the list
 * from its newest end, they are few.
 */
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "ippm_store.h"

void
ippm_wipe(void *p, size_t len)
{
	memset(p, 0, len);
	__asm__ volatile("" : : "r"(p) : "memory");
}

static unsigned
bucket_of(const void *owner)
{
	uint64_t n = (uint64_t)(uintptr_t)owner;

	return (n * 0x9e3779b97f4a7c15u) >> 54 & (IPPM_BUCKETS - 1);
}

void
ippm_store_fini(struct ippm_store *store)
{
	while (store->first)
		ippm_store_remove(store, store->first);
}

struct ippm_node *
ippm_store_add(struct ippm_store *store, const void *owner, const struct ippm_sa *rec)
{
	struct ippm_node *node = calloc(1, sizeof(*node));
	unsigned b = bucket_of(owner);

	if (!node)
		return NULL;
	node->owner = owner;
	node->rec = *rec;
	node->rec.hdr.version_be = htobe16(IPPM_VERSION);
	node->rec.hdr.size_be = htobe32(sizeof(node->rec));
	node->rec.hdr.seq_be = 0;
	node->rec.serial_be = htobe64(++store->last_serial);
	node->chain = store->buckets[b];
	store->buckets[b] = node;
	node->prev = store->last;
	if (store->last)
		store->last->next = node;
	else
		store->first = node;
	store->last = node;
	store->cnt++;
	if (rec->state == IPPM_S_CONNECTING)
		store->connecting_cnt++;
	return node;
}

struct ippm_node *
ippm_store_find(const struct ippm_store *store, const void *owner)
{
	struct ippm_node *node = store->buckets[bucket_of(owner)];

	while (node && node->owner != owner)
		node = node->chain;
	return node;
}

void
ippm_store_set_state(struct ippm_store *store, struct ippm_node *node, enum ippm_state state)
{
	if (node->rec.state == IPPM_S_CONNECTING)
		store->connecting_cnt--;
	if (state == IPPM_S_CONNECTING)
		store->connecting_cnt++;
	node->rec.state = state;
}

void
ippm_store_remove(struct ippm_store *store, struct ippm_node *node)
{
	struct ippm_node **link = &store->buckets[bucket_of(node->owner)];

	ippm_store_set_state(store, node, IPPM_S_GONE);
	while (*link != node)
		link = &(*link)->chain;
	*link = node->chain;
	if (node->prev)
		node->prev->next = node->next;
	else
		store->first = node->next;
	if (node->next)
		node->next->prev = node->prev;
	else
		store->last = node->prev;
	store->cnt--;
	ippm_wipe(node, sizeof(*node));
	free(node);
}

struct ippm_node *
ippm_store_after(const struct ippm_store *store, uint64_t cursor)
{
	struct ippm_node *node = store->first;

	while (node && be64toh(node->rec.serial_be) <= cursor)
		node = node->next;
	return node;
}

struct ippm_node *
ippm_store_by_spi(const struct ippm_store *store, const uint8_t *spi_i, const uint8_t *spi_r)
{
	struct ippm_node *node = store->last;

	while (node && (memcmp(node->rec.spi_i, spi_i, IPPM_SPI_LEN) != 0 ||
			       memcmp(node->rec.spi_r, spi_r, IPPM_SPI_LEN) != 0))
		node = node->prev;
	return node;
}

bool
ippm_addr_equal(const struct ippm_addr *a, const struct ippm_addr *b)
{
	return a->family == b->family && memcmp(a->addr, b->addr, sizeof(a->addr)) == 0;
}

/* The octets of an identity are those of a text. */
static bool
id_equals(const struct ippm_id *id, const char *text)
{
	size_t len = be16toh(id->len_be);

	return len == strlen(text) && memcmp(id->text, text, len) == 0;
}

static bool
leads_to(const struct ippm_sa *rec, const struct ippm_addr *peer)
{
	if (ippm_addr_equal(&rec->remote, peer))
		return true;
	for (unsigned i = 0; i < be16toh(rec->vip_cnt_be); i++)
		if (ippm_addr_equal(&rec->vip[i], peer))
			return true;
	for (unsigned i = 0; i < be16toh(rec->ts_cnt_be); i++)
		if (rec->ts[i].family == peer->family &&
			memcmp(rec->ts[i].from, peer->addr, sizeof(peer->addr)) <= 0 &&
			memcmp(peer->addr, rec->ts[i].to, sizeof(peer->addr)) <= 0)
			return true;
	return false;
}

struct ippm_node *
ippm_store_by_peer(const struct ippm_store *store, const struct ippm_addr *peer,
	const struct ippm_addr *local, const char *connection, const char *remote_id)
{
	for (struct ippm_node *node = store->last; node; node = node->prev) {
		const struct ippm_sa *rec = &node->rec;

		if (rec->state == IPPM_S_ESTABLISHED && leads_to(rec, peer) &&
			(!local || local->family == 0 || ippm_addr_equal(&rec->local, local)) &&
			(!*connection ||
				strncmp(rec->connection, connection, IPPM_NAME_MAX) == 0) &&
			(!*remote_id || (!(rec->flags_be & htobe32(IPPM_F_REMOTE_ID_CUT)) &&
						id_equals(&rec->remote_id, remote_id))))
			return node;
	}
	return NULL;
}

struct ippm_node *
ippm_store_setting_up(const struct ippm_store *store, const struct ippm_addr *peer, bool by_us)
{
	struct ippm_node *node = store->last;

	while (node && (node->rec.state != IPPM_S_CONNECTING ||
			       !ippm_addr_equal(&node->rec.remote, peer) ||
			       (by_us && node->rec.role != IPPM_INITIATOR)))
		node = node->prev;
	return node;
}
