/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (c) 2026 The twampline authors */
/*
 * An IKE SA of charon as a record of the socket protocol, and its key.
 */
#include "ippm_charon.h"

#include <endian.h>

#include <sa/ikev2/keymat_v2.h>

void
ippm_addr_of(struct ippm_addr *out, host_t *host)
{
	chunk_t addr = host->get_address(host);

	memset(out, 0, sizeof(*out));
	if (host->is_anyaddr(host) || (addr.len != 4 && addr.len != 16))
		return;
	out->family = addr.len == 4 ? 4 : 6;
	out->port_be = htobe16(host->get_port(host));
	memcpy(out->addr, addr.ptr, addr.len);
}

host_t *
ippm_host_create(const struct ippm_addr *addr)
{
	struct ippm_addr copy = *addr;

	return host_create_from_chunk(addr->family == 4 ? AF_INET : AF_INET6,
		chunk_create(copy.addr, addr->family == 4 ? 4 : 16), be16toh(addr->port_be));
}

/* The text of an identity; TRUE if it is longer than the record. */
static bool
put_id(struct ippm_id *out, identification_t *id)
{
	char text[IPPM_ID_MAX + 1] = "";
	int len;

	if (!id || id->get_type(id) == ID_ANY)
		return FALSE;
	len = snprintf(text, sizeof(text), "%Y", id);
	if (len < 0)
		return FALSE;
	out->type = id->get_type(id);
	out->len_be = htobe16(min(len, IPPM_ID_MAX));
	memcpy(out->text, text, min(len, IPPM_ID_MAX));
	return len > IPPM_ID_MAX;
}

static uint32_t
put_vips(struct ippm_sa *rec, ike_sa_t *ike_sa)
{
	enumerator_t *enumerator = ike_sa->create_virtual_ip_enumerator(ike_sa, FALSE);
	unsigned cnt = 0;
	bool is_cut = FALSE;
	host_t *vip;

	while (enumerator->enumerate(enumerator, &vip)) {
		if (cnt == IPPM_VIP_MAX) {
			is_cut = TRUE;
			break;
		}
		ippm_addr_of(&rec->vip[cnt], vip);
		rec->vip[cnt++].port_be = 0;
	}
	enumerator->destroy(enumerator);
	rec->vip_cnt_be = htobe16(cnt);
	return is_cut ? IPPM_F_VIP_CUT : 0;
}

static bool
is_installed(child_sa_t *child)
{
	switch (child->get_state(child)) {
	case CHILD_INSTALLED:
	case CHILD_UPDATING:
	case CHILD_REKEYING:
	case CHILD_REKEYED:
		return TRUE;
	default:
		return FALSE;
	}
}

/* One more traffic selector, unless it is there; FALSE if there is no room. */
static bool
add_ts(struct ippm_sa *rec, unsigned *cnt, traffic_selector_t *ts)
{
	chunk_t from = ts->get_from_address(ts), to = ts->get_to_address(ts);
	struct ippm_ts new = {
		.family = ts->get_type(ts) == TS_IPV4_ADDR_RANGE ? 4 : 6,
		.proto = ts->get_protocol(ts),
		.from_port_be = htobe16(ts->get_from_port(ts)),
		.to_port_be = htobe16(ts->get_to_port(ts)),
	};

	if (from.len > sizeof(new.from) || to.len > sizeof(new.to))
		return TRUE;
	memcpy(new.from, from.ptr, from.len);
	memcpy(new.to, to.ptr, to.len);
	for (unsigned i = 0; i < *cnt; i++)
		if (memcmp(&rec->ts[i], &new, sizeof(new)) == 0)
			return TRUE;
	if (*cnt == IPPM_TS_MAX)
		return FALSE;
	rec->ts[(*cnt)++] = new;
	return TRUE;
}

/* Remote traffic selectors of one Child SA; FALSE if there is no room. */
static bool
add_child(struct ippm_sa *rec, unsigned *cnt, child_sa_t *child)
{
	enumerator_t *enumerator = child->create_ts_enumerator(child, FALSE);
	traffic_selector_t *ts;
	bool fits = TRUE;

	while (fits && enumerator->enumerate(enumerator, &ts))
		fits = add_ts(rec, cnt, ts);
	enumerator->destroy(enumerator);
	return fits;
}

static uint32_t
put_children(struct ippm_sa *rec, ike_sa_t *ike_sa, child_sa_t *with, child_sa_t *without)
{
	enumerator_t *enumerator = ike_sa->create_child_sa_enumerator(ike_sa);
	bool fits = TRUE;
	child_sa_t *child;
	unsigned cnt = 0;

	while (fits && enumerator->enumerate(enumerator, &child))
		if (child != with && child != without && is_installed(child))
			fits = add_child(rec, &cnt, child);
	enumerator->destroy(enumerator);
	if (fits && with)
		fits = add_child(rec, &cnt, with);
	rec->ts_cnt_be = htobe16(cnt);
	return fits ? 0 : IPPM_F_TS_CUT;
}

void
ippm_describe(struct ippm_sa *rec, ike_sa_t *ike_sa, child_sa_t *with, child_sa_t *without)
{
	ike_sa_id_t *id = ike_sa->get_id(ike_sa);
	uint64_t spi_i = id->get_initiator_spi(id), spi_r = id->get_responder_spi(id);
	char *name = ike_sa->get_peer_cfg(ike_sa) ? ike_sa->get_name(ike_sa) : NULL;
	uint32_t flags;

	memset(rec, 0, sizeof(*rec));
	/* charon keeps SPIs as they stand in the header */
	memcpy(rec->spi_i, &spi_i, sizeof(rec->spi_i));
	memcpy(rec->spi_r, &spi_r, sizeof(rec->spi_r));
	rec->role = id->is_initiator(id) ? IPPM_INITIATOR : IPPM_RESPONDER;
	ippm_addr_of(&rec->local, ike_sa->get_my_host(ike_sa));
	ippm_addr_of(&rec->remote, ike_sa->get_other_host(ike_sa));
	if (name)
		memcpy(rec->connection, name, strnlen(name, sizeof(rec->connection)));
	flags = put_vips(rec, ike_sa) | put_children(rec, ike_sa, with, without);
	if (put_id(&rec->local_id, ike_sa->get_my_id(ike_sa)))
		flags |= IPPM_F_LOCAL_ID_CUT;
	if (put_id(&rec->remote_id, ike_sa->get_other_eap_id(ike_sa)))
		flags |= IPPM_F_REMOTE_ID_CUT;
	if (ike_sa->has_condition(ike_sa, COND_PPK))
		flags |= IPPM_F_PPK;
	if (ike_sa->has_condition(ike_sa, COND_NAT_HERE))
		flags |= IPPM_F_LOCAL_NAT;
	if (ike_sa->has_condition(ike_sa, COND_NAT_THERE))
		flags |= IPPM_F_REMOTE_NAT;
	rec->flags_be = htobe32(flags);
}

bool
ippm_derive(struct ippm_sa *rec, ike_sa_t *ike_sa)
{
	keymat_v2_t *keymat = (keymat_v2_t *)ike_sa->get_keymat(ike_sa);
	chunk_t label = chunk_from_str(IPPM_LABEL), skd = chunk_empty;
	pseudo_random_function_t alg;
	bool ok = FALSE;
	size_t len;
	prf_t *prf;

	if (!keymat)
		return FALSE;
	alg = keymat->get_skd(keymat, &skd); /* of the keymat, not to be freed */
	if (alg == PRF_UNDEFINED || skd.len == 0)
		return FALSE;
	prf = lib->crypto->create_prf(lib->crypto, alg);
	if (!prf)
		return FALSE;
	len = prf->get_block_size(prf);
	if (len <= sizeof(rec->key) && prf->set_key(prf, skd) &&
		prf->get_bytes(prf, label, rec->key)) {
		rec->prf_be = htobe16(alg);
		rec->key_len_be = htobe16(len);
		ok = TRUE;
	}
	prf->destroy(prf);
	return ok;
}
