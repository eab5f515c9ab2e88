/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Who may do what: modes offered to a peer, and the addresses a session may have (PROTOCOL.md 5.3,
 * RFC 4656 6.2). What is refused here is refused without looking at anything the peer claims.
 */
#include "srv_i.h"

static const uint32_t secs[] = {TW_MODE_OPEN, TW_MODE_AUTH, TW_MODE_ENCR, TW_MODE_MIXED};

bool
ctl_policy_is_allowed(const struct tw_ctl_srv *srv, const struct tw_addr *peer)
{
	for (size_t i = 0; i < srv->cfg.allow_cnt; i++) {
		if (tw_prefix_has(&srv->cfg.allow[i].prefix, peer))
			return true;
	}
	return false;
}

/* Default deny for the open mode: without rows nobody gets it. */
static bool
offers(const struct tw_ctl_srv *srv, const struct tw_addr *peer, uint32_t mode)
{
	bool has_row = false;

	for (size_t i = 0; i < srv->cfg.allow_cnt; i++) {
		const struct tw_ctl_allow *a = &srv->cfg.allow[i];

		if (!(a->modes & mode))
			continue;
		if (tw_prefix_has(&a->prefix, peer))
			return true;
		has_row = true;
	}
	if (mode == TW_MODE_OPEN)
		return setting(srv, TW_CTL_SET_OPEN_TO_OTHERS) != 0;
	return !has_row;
}

static bool
offers_ike(const struct tw_ctl_srv *srv, const struct tw_addr *peer)
{
	return setting(srv, TW_CTL_SET_IKE_OFFER) != 0 && srv->ops.offers_ike != NULL &&
	       srv->ops.offers_ike(srv->app, peer);
}

uint32_t
ctl_policy_offer(const struct tw_ctl_srv *srv, const struct tw_addr *peer)
{
	bool has_ike = offers_ike(srv, peer);
	bool has_keys = has_ike || srv->ops.has_keys(srv->app);
	uint32_t modes = 0;

	for (size_t i = 0; i < TW_ARRAY_SIZE(secs); i++) {
		uint32_t mode = secs[i] & srv->cfg.modes;

		if (mode == 0 || (tw_mode_protects_control(mode) && !has_keys))
			continue;
		if (offers(srv, peer, mode))
			modes |= mode;
	}
	/* never alone nor with the open mode alone (RFC 7717 5.1) */
	if (has_ike && tw_mode_protects_control(modes))
		modes |= TW_MODE_IKEV2;
	return modes;
}

/* Nobody sends from a group or from everywhere. */
static bool
is_unicast(const struct tw_addr *a)
{
	return !tw_addr_is_zero(a) && (a->family == TW_ADDR_V4 ? a->b[0] < 224 : a->b[0] != 0xff);
}

bool
ctl_policy_sender(const struct tw_ctl_conn *conn, const struct tw_addr *sender)
{
	const struct tw_ctl_srv_cfg *cfg = &conn->srv->cfg;

	if (!is_unicast(sender))
		return false;
	/* protected test packets prove where they come from; others are answered to the control
	 * peer alone, or the reflector could be aimed at anybody */
	if (tw_mode_protects_test(conn->mode) || tw_addr_equal(sender, &conn->peer))
		return true;
	for (size_t i = 0; i < cfg->senders_cnt; i++) {
		if (tw_prefix_has(&cfg->senders[i], sender))
			return true;
	}
	return false;
}

bool
ctl_policy_receiver(const struct tw_ctl_conn *conn, const struct tw_addr *receiver)
{
	return tw_addr_equal(receiver, &conn->local) ||
	       (is_unicast(receiver) && conn->srv->ops.is_local(conn->srv->app, receiver));
}
