/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Driver profiles: every one in the tree reads, and wrong ones are refused by line.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "tw_port.h"

Test(profile, all_in_the_tree_are_right)
{
	struct tw_port_profile p;
	unsigned n = 0;

	for (; tw_port_profile_at(n, &p) == 0; n++) {
		cr_assert_neq(p.help[0], '\0', "%s", p.name);
		cr_assert(p.can_own || p.can_share, "%s", p.name);
		cr_assert(p.bus[0] != 'v' || p.driver[0] != '\0', "%s", p.name);
		cr_assert_geq(p.queues_max, 1, "%s", p.name);
		cr_assert(p.timestamps[0] == 'n' || strcmp(p.bus, "pci") == 0, "%s", p.name);
	}
	cr_assert_geq(n, 14);
	cr_assert_eq(tw_port_profile_at(n, &p), -ENOENT);
}

Test(profile, is_found_by_name_and_by_driver)
{
	struct tw_port_profile p;

	cr_assert_eq(tw_port_profile_find("memif", NULL, &p), 0);
	cr_assert_str_eq(p.restart, "role=client");
	cr_assert_eq(p.attach, TW_PORT_OWNED);
	cr_assert_eq(tw_port_profile_find(NULL, "net_i40e", &p), 0);
	cr_assert_str_eq(p.name, "i40e");
	cr_assert(p.use_tx_cksum);
	cr_assert_eq(tw_port_profile_find(NULL, "mlx5_pci", &p), 0);
	cr_assert(p.is_bifurcated && p.attach == TW_PORT_SHARED && p.can_own);
	cr_assert_eq(tw_port_profile_find("no", NULL, &p), -ENOENT);
	cr_assert_eq(tw_port_profile_find(NULL, "net_no", &p), -ENOENT);
}

static void
reads(const char *text, int res, const char *word)
{
	struct tw_port_profile p;
	char err[TW_PORT_ERR_SIZE] = "";

	cr_assert_eq(tw_port_profile_read(text, strlen(text), &p, err), res, "%s: %s", text, err);
	cr_assert_not_null(strstr(err, word), "%s: %s", text, err);
}

Test(profile, refuses_by_line)
{
	reads("", 0, "");
	reads("# only a comment\n\n  \nhelp x # and one behind", 0, "");
	reads("help a\nbogus yes\n", -EINVAL, "line 2: bogus: unknown key");
	reads("help", -EINVAL, "line 1");
	reads("bus usb", -EINVAL, "not allowed");
	reads("attach both", -EINVAL, "not allowed");
	reads("attach owned both", -EINVAL, "not allowed");
	reads("queues-max 33", -EINVAL, "not allowed");
	reads("queues-max -1", -EINVAL, "not allowed");
	reads("flow-rules 1048577", -EINVAL, "not allowed");
	reads("descriptors 10x", -EINVAL, "not allowed");
	reads("descriptors 99999999999999999999", -EINVAL, "not allowed");
	reads("mtu-set maybe", -EINVAL, "not allowed");
	reads("driver a_name_that_is_longer_than_the_field_holds", -EINVAL, "not allowed");
}

Test(profile, refuses_lines_beyond_its_memory)
{
	char text[700];

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	reads(text, -EINVAL, "too long");
}
