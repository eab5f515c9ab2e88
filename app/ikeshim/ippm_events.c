/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/* Copyright (c) 2026 The twampline authors */
/*
 * What the daemon says of its SAs: kept in the list, told to those who subscribed. SAs being set up
 * can be caused by anybody, so their announcements are bounded; whoever is authenticated is shown.
 */
#include <endian.h>
#include <string.h>

#include "ippm_server_i.h"

/* All but what the server itself keeps in a record. */
static void
replace(struct ippm_sa *to, const struct ippm_sa *from)
{
	struct ippm_sa kept = *to;

	*to = *from;
	to->hdr = kept.hdr;
	to->serial_be = kept.serial_be;
	to->state = kept.state;
	memcpy(to->old_spi_i, kept.old_spi_i, IPPM_SPI_LEN);
	memcpy(to->old_spi_r, kept.old_spi_r, IPPM_SPI_LEN);
	memcpy(to->new_spi_i, kept.new_spi_i, IPPM_SPI_LEN);
	memcpy(to->new_spi_r, kept.new_spi_r, IPPM_SPI_LEN);
	ippm_wipe(&kept, sizeof(kept));
}

static void
tell(struct ippm_server *srv, uint16_t type, const struct ippm_sa *rec)
{
	for (struct ippm_client *cl = srv->clients; cl; cl = cl->next)
		if (cl->is_subscribed)
			ippm_give_sa(cl, type, 0, rec);
}

/* One more announcement of an SA being set up is within the bounds. */
static bool
may_announce(struct ippm_server *srv, bool is_new)
{
	uint64_t now_s = srv->ops.now_ms(srv->ops.ctx) / 1000;

	if (srv->connecting_s != now_s) {
		srv->connecting_s = now_s;
		srv->connecting_n = 0;
	}
	if (srv->connecting_n >= IPPM_CONNECTING_MAX ||
		(is_new && srv->store.connecting_cnt >= IPPM_CONNECTING_MAX)) {
		srv->not_shown++;
		return false;
	}
	srv->connecting_n++;
	return true;
}

void
ippm_server_connecting(struct ippm_server *srv, const void *owner, const struct ippm_sa *rec)
{
	struct ippm_node *node;
	struct ippm_sa first = *rec;

	first.state = IPPM_S_CONNECTING;
	ippm_lock(srv);
	node = ippm_store_find(&srv->store, owner);
	if (may_announce(srv, !node)) {
		if (node)
			replace(&node->rec, rec);
		else
			node = ippm_store_add(&srv->store, owner, &first);
		if (node)
			tell(srv, IPPM_SA_CONNECTING, &node->rec);
	}
	ippm_unlock(srv);
}

/* The node of an SA that is established from now on, or NULL without memory. */
static struct ippm_node *
establish(struct ippm_server *srv, const void *owner, const struct ippm_sa *rec)
{
	struct ippm_node *node = ippm_store_find(&srv->store, owner);

	if (node)
		replace(&node->rec, rec);
	else
		node = ippm_store_add(&srv->store, owner, rec);
	if (!node)
		return NULL;
	node->rec.established_be = htobe64((uint64_t)time(NULL));
	ippm_store_set_state(&srv->store, node, IPPM_S_ESTABLISHED);
	return node;
}

void
ippm_server_up(struct ippm_server *srv, const void *owner, const struct ippm_sa *rec)
{
	struct ippm_node *node;

	ippm_lock(srv);
	node = establish(srv, owner, rec);
	if (node) {
		tell(srv, IPPM_SA_UP, &node->rec);
		ippm_pending_up(srv, node);
	}
	ippm_unlock(srv);
}

void
ippm_server_rekeyed(struct ippm_server *srv, const void *old_owner, const void *owner,
	const struct ippm_sa *rec)
{
	struct ippm_node *old, *node;

	ippm_lock(srv);
	old = ippm_store_find(&srv->store, old_owner);
	node = establish(srv, owner, rec);
	if (node && old && old != node && old->rec.state == IPPM_S_ESTABLISHED) {
		ippm_store_set_state(&srv->store, old, IPPM_S_SUPERSEDED);
		memcpy(old->rec.new_spi_i, node->rec.spi_i, IPPM_SPI_LEN);
		memcpy(old->rec.new_spi_r, node->rec.spi_r, IPPM_SPI_LEN);
		memcpy(node->rec.old_spi_i, old->rec.spi_i, IPPM_SPI_LEN);
		memcpy(node->rec.old_spi_r, old->rec.spi_r, IPPM_SPI_LEN);
	}
	if (node)
		tell(srv, IPPM_SA_REKEYED, &node->rec);
	ippm_unlock(srv);
}

void
ippm_server_moved(struct ippm_server *srv, const void *owner, const struct ippm_addr *local,
	const struct ippm_addr *remote)
{
	struct ippm_node *node;

	ippm_lock(srv);
	node = ippm_store_find(&srv->store, owner);
	if (node && (memcmp(&node->rec.local, local, sizeof(*local)) != 0 ||
			    memcmp(&node->rec.remote, remote, sizeof(*remote)) != 0)) {
		node->rec.local = *local;
		node->rec.remote = *remote;
		if (node->rec.state != IPPM_S_CONNECTING)
			tell(srv, IPPM_SA_MOVED, &node->rec);
	}
	ippm_unlock(srv);
}

void
ippm_server_children(struct ippm_server *srv, const void *owner, const struct ippm_sa *rec)
{
	const uint32_t cut = htobe32(IPPM_F_VIP_CUT | IPPM_F_TS_CUT);
	struct ippm_node *node;

	ippm_lock(srv);
	node = ippm_store_find(&srv->store, owner);
	if (node && node->rec.state != IPPM_S_CONNECTING &&
		(node->rec.vip_cnt_be != rec->vip_cnt_be || node->rec.ts_cnt_be != rec->ts_cnt_be ||
			((node->rec.flags_be ^ rec->flags_be) & cut) != 0 ||
			memcmp(node->rec.vip, rec->vip, sizeof(rec->vip)) != 0 ||
			memcmp(node->rec.ts, rec->ts, sizeof(rec->ts)) != 0)) {
		node->rec.flags_be = (node->rec.flags_be & ~cut) | (rec->flags_be & cut);
		node->rec.vip_cnt_be = rec->vip_cnt_be;
		node->rec.ts_cnt_be = rec->ts_cnt_be;
		memcpy(node->rec.vip, rec->vip, sizeof(rec->vip));
		memcpy(node->rec.ts, rec->ts, sizeof(rec->ts));
		tell(srv, IPPM_SA_CHILD, &node->rec);
	}
	ippm_unlock(srv);
}

static enum ippm_reason
reason_of(const struct ippm_server *srv, const struct ippm_node *node)
{
	if (node->rec.state == IPPM_S_CONNECTING)
		return IPPM_R_FAILED;
	if (node->rec.state == IPPM_S_SUPERSEDED)
		return IPPM_R_REKEYED;
	if (srv->is_stopping)
		return IPPM_R_SHUTDOWN;
	return node->is_dead ? IPPM_R_DEAD : IPPM_R_DELETED;
}

void
ippm_server_gone(struct ippm_server *srv, const void *owner)
{
	struct ippm_node *node;

	ippm_lock(srv);
	node = ippm_store_find(&srv->store, owner);
	if (node) {
		uint16_t type =
			node->rec.state == IPPM_S_CONNECTING ? IPPM_SA_FAILED : IPPM_SA_DOWN;

		node->rec.reason = reason_of(srv, node);
		ippm_store_set_state(&srv->store, node, IPPM_S_GONE);
		ippm_wipe(node->rec.key, sizeof(node->rec.key));
		node->rec.key_len_be = 0;
		tell(srv, type, &node->rec);
		ippm_store_remove(&srv->store, node);
	}
	ippm_pending_gone(srv, owner);
	ippm_unlock(srv);
}

void
ippm_server_alert(struct ippm_server *srv, const void *owner, const char *text, bool is_dead)
{
	struct ippm_node *node;

	ippm_lock(srv);
	node = ippm_store_find(&srv->store, owner);
	if (node && is_dead)
		node->is_dead = true;
	for (unsigned i = 0; i < IPPM_PENDING_MAX; i++)
		if (srv->pending[i].ticket && srv->pending[i].owner == owner)
			strncpy(srv->pending[i].text, text, sizeof(srv->pending[i].text) - 1);
	ippm_unlock(srv);
}

void
ippm_server_stopping(struct ippm_server *srv)
{
	ippm_lock(srv);
	srv->is_stopping = true;
	ippm_unlock(srv);
}
