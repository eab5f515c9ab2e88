/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Records of a daemon for tests of lib/ike.
 */
#ifndef IKE_CHECK_H
#define IKE_CHECK_H

#include "ippm_socket.h"
#include "tw_ike_link.h"

#define SEC INT64_C(1000000000)
#define MS  INT64_C(1000000)

struct ippm_hello ike_hello(uint8_t boot);
struct ippm_result ike_result(uint64_t seq, uint16_t request, uint16_t status, uint64_t cursor);

/**
 * An SA number @p n: SPIs nn.. and nn+80.., remote 192.0.2.n, key of 32 octets n, identity
 * "peer<n>.lab". Type and state as given; GONE and CONNECTING have no key.
 */
struct ippm_sa ike_sa(uint16_t type, uint8_t state, uint8_t n);
/** The SPIs of SA number @p n. */
struct tw_ike_spis ike_spis(uint8_t n);
/** 192.0.2.n */
struct tw_addr ike_peer(uint8_t n);

/** As the store takes them. */
struct tw_ike_sa ike_stored(uint8_t n);
struct tw_secret *ike_key(uint8_t n);

#endif /* IKE_CHECK_H */
