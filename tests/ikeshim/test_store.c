/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
#include <criterion/criterion.h>
#include <endian.h>
#include <string.h>

#include "fake_daemon.h"
#include "ippm_store.h"

TestSuite(store);

static struct ippm_store store;

static struct ippm_node *
add(unsigned n, enum ippm_state state)
{
	struct ippm_sa sa = fake_sa((uint8_t)n);
	struct ippm_node *node;

	sa.state = state;
	node = ippm_store_add(&store, fake_owner(n), &sa);
	cr_assert_not_null(node);
	return node;
}

static struct ippm_node *
by_peer(struct ippm_addr peer, const char *id)
{
	return ippm_store_by_peer(&store, &peer, NULL, "", id);
}

Test(store, numbers_and_finds_again)
{
	for (unsigned n = 0; n < 3000; n++)
		add(n, IPPM_S_ESTABLISHED);
	for (unsigned n = 0; n < 3000; n += 2)
		ippm_store_remove(&store, ippm_store_find(&store, fake_owner(n)));
	cr_assert_eq(store.cnt, 1500);
	for (unsigned n = 0; n < 3000; n++) {
		struct ippm_node *node = ippm_store_find(&store, fake_owner(n));

		cr_assert_eq(node != NULL, n % 2 == 1);
		cr_assert(!node || be64toh(node->rec.serial_be) == n + 1);
	}
	cr_assert_eq(be64toh(ippm_store_after(&store, 2)->rec.serial_be), 4);
	cr_assert_null(ippm_store_after(&store, 3000));
	ippm_store_fini(&store);
	cr_assert_eq(store.cnt, 0);
	cr_assert_null(store.first);
}

Test(store, counts_those_being_set_up)
{
	struct ippm_node *a = add(1, IPPM_S_CONNECTING), *b = add(2, IPPM_S_CONNECTING);

	cr_assert_eq(store.connecting_cnt, 2);
	ippm_store_set_state(&store, a, IPPM_S_ESTABLISHED);
	cr_assert_eq(store.connecting_cnt, 1);
	ippm_store_remove(&store, b);
	cr_assert_eq(store.connecting_cnt, 0);
	ippm_store_fini(&store);
}

Test(store, finds_by_both_spis_only)
{
	struct ippm_node *a = add(1, IPPM_S_ESTABLISHED), *b = add(2, IPPM_S_SUPERSEDED);

	cr_assert_eq(ippm_store_by_spi(&store, a->rec.spi_i, a->rec.spi_r), a);
	cr_assert_eq(ippm_store_by_spi(&store, b->rec.spi_i, b->rec.spi_r), b);
	cr_assert_null(ippm_store_by_spi(&store, a->rec.spi_i, b->rec.spi_r));
	ippm_store_fini(&store);
}

Test(store, finds_the_newest_established_one_of_a_peer)
{
	struct ippm_node *old = add(7, IPPM_S_ESTABLISHED), *newer;
	struct ippm_sa sa = fake_sa(7);

	sa.state = IPPM_S_ESTABLISHED;
	newer = ippm_store_add(&store, fake_owner(8), &sa);
	cr_assert_eq(by_peer(fake_addr(7), ""), newer);
	ippm_store_set_state(&store, newer, IPPM_S_SUPERSEDED);
	cr_assert_eq(by_peer(fake_addr(7), ""), old);
	cr_assert_eq(by_peer(fake_addr(7), "peer-7"), old);
	cr_assert_null(by_peer(fake_addr(7), "peer-"));
	cr_assert_null(by_peer(fake_addr(8), ""));
	old->rec.flags_be = htobe32(IPPM_F_REMOTE_ID_CUT);
	cr_assert_null(by_peer(fake_addr(7), "peer-7"), "a cut identity equals nothing");
	ippm_store_fini(&store);
}

Test(store, finds_by_virtual_address_and_selector)
{
	struct ippm_node *node = add(7, IPPM_S_ESTABLISHED);

	node->rec.vip[0] = fake_addr(100);
	node->rec.vip[1] = fake_addr(101);
	node->rec.vip_cnt_be = htobe16(1);
	node->rec.ts[0] =
		(struct ippm_ts){.family = 4, .from = {192, 0, 2, 32}, .to = {192, 0, 2, 63}};
	node->rec.ts_cnt_be = htobe16(1);
	cr_assert_eq(by_peer(fake_addr(100), ""), node);
	cr_assert_null(by_peer(fake_addr(101), ""), "not counted");
	cr_assert_null(by_peer(fake_addr(31), ""));
	cr_assert_eq(by_peer(fake_addr(32), ""), node);
	cr_assert_eq(by_peer(fake_addr(63), ""), node);
	cr_assert_null(by_peer(fake_addr(64), ""));
	ippm_store_fini(&store);
}
