/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (c) 2026 The twampline authors */
/*
 * The parts of the plugin that know charon: the plugin itself with its hooks (ippm_plugin.c), an
 * IKE SA as a record (ippm_describe.c), and setting one up (ippm_setup.c).
 */
#ifndef IPPM_CHARON_H
#define IPPM_CHARON_H

#include <daemon.h>

#include "ippm_server.h"

/* Octets of prf(SK_d, data), RFC 7717 5.1: "IPPM" without terminator. */
#define IPPM_LABEL "IPPM"

/**
 * What a record says of an IKE SA: SPIs, role, flags, addresses, identities, connection, virtual
 * IPs, and the remote traffic selectors of its Child SAs.
 *
 * Context: hooks; the calling thread has the SA.
 * @param with     a Child SA to count in wherever it stands, or NULL
 * @param without  one to leave out, or NULL
 */
void ippm_describe(struct ippm_sa *rec, ike_sa_t *ike_sa, child_sa_t *with, child_sa_t *without);

/**
 * Put the key of an established IKEv2 SA into its record.
 *
 * Context: ike_updown and ike_rekey only, where SK_d is final and the peer authenticated.
 * @return FALSE if it cannot be had; the record is unchanged
 */
bool ippm_derive(struct ippm_sa *rec, ike_sa_t *ike_sa);

/* Address and port of a host, and back; the caller destroys what ippm_host_create returns. */
void ippm_addr_of(struct ippm_addr *out, host_t *host);
host_t *ippm_host_create(const struct ippm_addr *addr);

/* struct ippm_ops: what the configuration knows of a peer, and INITIATE. ctx is of ippm_plugin.c.
 */
uint32_t ippm_peer_flags(void *ctx, const struct ippm_addr *peer);
enum ippm_status ippm_set_up(
	struct ippm_server *srv, uint64_t ticket, const struct ippm_request *req);

#endif
