/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (c) 2026 The twampline authors */
/*
 * What charon's configuration says of a peer, and setting up an IKE SA without Child SA for it. The
 * SA is set up by a job of its own and its outcome seen by the hooks: nobody waits.
 */
#include "ippm_charon.h"

#include <processing/jobs/callback_job.h>

uint32_t
ippm_peer_flags(void *ctx, const struct ippm_addr *peer)
{
	host_t *host = ippm_host_create(peer);
	enumerator_t *enumerator;
	uint32_t flags = 0;
	peer_cfg_t *cfg;

	(void)ctx;
	if (!host)
		return 0;
	enumerator = charon->backends->create_peer_cfg_enumerator(
		charon->backends, NULL, host, NULL, NULL, IKEV2);
	while (enumerator->enumerate(enumerator, &cfg)) {
		ike_cfg_t *ike_cfg = cfg->get_ike_cfg(cfg);

		/* 1: %any or all of a family; 1 + prefix length: a subnet; 129: the address */
		flags |= ike_cfg->match_other(ike_cfg, host) > 1 ? IPPM_F_KNOWN_PEER
								 : IPPM_F_ANY_PEER;
	}
	enumerator->destroy(enumerator);
	host->destroy(host);
	return flags;
}

/* The best connection for a request, with a reference, or NULL. */
static peer_cfg_t *
find_connection(const struct ippm_request *req, host_t *local, host_t *peer)
{
	identification_t *id = NULL;
	enumerator_t *enumerator;
	peer_cfg_t *cfg, *found = NULL;
	char text[sizeof(req->remote_id)];

	if (*req->remote_id) {
		memcpy(text, req->remote_id, sizeof(text));
		id = identification_create_from_string(text);
	}
	enumerator = charon->backends->create_peer_cfg_enumerator(
		charon->backends, local, peer, NULL, id, IKEV2);
	while (!found && enumerator->enumerate(enumerator, &cfg))
		if (!*req->connection || streq(cfg->get_name(cfg), req->connection))
			found = cfg->get_ref(cfg);
	enumerator->destroy(enumerator);
	DESTROY_IF(id);
	return found;
}

typedef struct {
	struct ippm_server *srv;
	uint64_t ticket;
	peer_cfg_t *cfg;
	host_t *local; /* NULL: by configuration and routes */
	host_t *peer;
} setup_t;

static void
setup_destroy(setup_t *setup)
{
	setup->cfg->destroy(setup->cfg);
	DESTROY_IF(setup->local);
	setup->peer->destroy(setup->peer);
	free(setup);
}

/* The address to set up from: as asked, as configured, or as the route says. */
static host_t *
local_host(const setup_t *setup, ike_cfg_t *ike_cfg)
{
	host_t *host;

	if (setup->local)
		host = setup->local->clone(setup->local);
	else
		host = ike_cfg->resolve_me(ike_cfg, setup->peer->get_family(setup->peer));
	if (!host || host->is_anyaddr(host)) {
		DESTROY_IF(host);
		host = charon->kernel->get_source_addr(charon->kernel, setup->peer, NULL);
	}
	if (host)
		host->set_port(host, ike_cfg->get_my_port(ike_cfg));
	return host;
}

/* Both hosts are set, so that the SA leads to the peer that was asked for, not to the first address
 * of the connection. */
static job_requeue_t
setup_run(setup_t *setup)
{
	ike_sa_manager_t *manager = charon->ike_sa_manager;
	ike_sa_t *ike_sa = manager->create_new(manager, IKEV2, TRUE);
	ike_cfg_t *ike_cfg = setup->cfg->get_ike_cfg(setup->cfg);
	host_t *local = local_host(setup, ike_cfg);

	if (!ike_sa || !local) {
		ippm_server_fail(setup->srv, setup->ticket,
			ike_sa ? "no route to the peer" : "the daemon makes no new SAs");
		DESTROY_IF(ike_sa);
		DESTROY_IF(local);
		return JOB_REQUEUE_NONE;
	}
	if (setup->peer->get_port(setup->peer) == 0)
		setup->peer->set_port(setup->peer, ike_cfg->get_other_port(ike_cfg));
	ippm_server_claim(setup->srv, setup->ticket, ike_sa);
	ike_sa->set_peer_cfg(ike_sa, setup->cfg);
	ike_sa->set_my_host(ike_sa, local);
	ike_sa->set_other_host(ike_sa, setup->peer->clone(setup->peer));
	charon->bus->set_sa(charon->bus, ike_sa);
	if (ike_sa->initiate(ike_sa, NULL, NULL) == DESTROY_ME)
		manager->checkin_and_destroy(manager, ike_sa);
	else
		manager->checkin(manager, ike_sa);
	return JOB_REQUEUE_NONE;
}

enum ippm_status
ippm_set_up(struct ippm_server *srv, uint64_t ticket, const struct ippm_request *req)
{
	host_t *peer = ippm_host_create(&req->peer);
	host_t *local = req->local.family ? ippm_host_create(&req->local) : NULL;
	peer_cfg_t *cfg = peer ? find_connection(req, local, peer) : NULL;
	setup_t *setup;

	if (!cfg) {
		DESTROY_IF(peer);
		DESTROY_IF(local);
		return IPPM_NO_CONNECTION;
	}
	INIT(setup, .srv = srv, .ticket = ticket, .cfg = cfg, .local = local, .peer = peer, );
	lib->processor->queue_job(lib->processor,
		(job_t *)callback_job_create_with_prio((callback_job_cb_t)setup_run, setup,
			(callback_job_cleanup_t)setup_destroy, NULL, JOB_PRIO_HIGH));
	return IPPM_OK;
}
