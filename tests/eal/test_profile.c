/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Driver profiles: every one in the tree reads, and wrong ones are refused by line.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
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

static uint64_t rnd = 1;

static unsigned
draw(unsigned below)
{
	rnd = rnd * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned)((rnd >> 33) % below);
}

/* Every text field ends within itself, every number is within its bounds. */
static void
is_sound(const struct tw_port_profile *p, const char *text)
{
#define ENDS(f) cr_assert_not_null(memchr(p->f, '\0', sizeof(p->f)), "%s", text)
	ENDS(help);
	ENDS(driver);
	ENDS(bus);
	ENDS(dev);
	ENDS(devargs);
	ENDS(require);
	ENDS(restart);
	ENDS(socket_arg);
	ENDS(listens);
	ENDS(timestamps);
	ENDS(limits);
#undef ENDS
	cr_assert(p->can_own || p->can_share, "%s", text);
	cr_assert_leq(p->queues_max, TW_PORT_QUEUES_MAX);
	cr_assert_leq(p->queues_default, TW_PORT_QUEUES_MAX);
	cr_assert_leq(p->desc_cnt, 8192);
	cr_assert_leq(p->mtu_max, UINT16_MAX);
	cr_assert_leq(p->settle_ms, 1000);
	cr_assert_leq(p->flow_rules, 1U << 20);
	cr_assert(strcmp(p->bus, "vdev") == 0 || strcmp(p->bus, "pci") == 0 ||
			  strcmp(p->bus, "ethdev") == 0,
		"%s", text);
}

/* Lines put together from right keys, right and wrong values, separators, and any octet. */
Test(profile, hostile_text_is_refused_or_sound)
{
	static const char *const words[] = {"help", "driver", "bus", "dev", "devargs", "require",
		"attach", "queues-max", "queues", "descriptors", "mtu-max", "settle-ms",
		"flow-rules", "mtu-set", "rx-checksum", "restart", "socket-arg", "listens",
		"timestamps", "limits", "yes", "no", "vdev", "pci", "ethdev", "none", "owned",
		"shared", "owned shared", "0", "1", "32", "33", "8192", "4294967297", "-1", "0x10",
		" ", " ", " ", "\t", "\n", "\n", "\r\n", "#", "%s%n", "\xff",
		"a_word_longer_than_most_of_the_fields_that_it_could_be_put_into"};
	struct tw_port_profile p;
	char err[TW_PORT_ERR_SIZE], text[1024];
	unsigned good = 0;

	for (unsigned round = 0; round < 200000; round++) {
		const unsigned parts = 1 + draw(12);
		size_t len = 0;

		for (unsigned i = 0; i < parts; i++) {
			const char *w = words[draw(TW_ARRAY_SIZE(words))];

			memcpy(text + len, w, strlen(w));
			len += strlen(w);
			if (draw(40) == 0)
				text[len++] = (char)draw(256); /* zeros, too */
		}
		memset(err, 'x', sizeof(err));
		if (tw_port_profile_read(text, len, &p, err) != 0) {
			cr_assert_not_null(memchr(err, '\0', sizeof(err)));
			cr_assert_eq(strncmp(err, "line ", 5), 0, "%s", err);
			continue;
		}
		text[len] = '\0';
		is_sound(&p, text);
		good++;
	}
	cr_assert_gt(good, 100);
}

/* A whole profile cut at any octet reads no further than that. */
Test(profile, reads_no_further_than_told)
{
	static const char whole[] =
		"help x\ndriver net_x\nbus pci\ndescriptors 512\nattach owned\n";
	struct tw_port_profile p;
	char err[TW_PORT_ERR_SIZE];

	for (size_t len = 0; len < sizeof(whole); len++) {
		char *copy = malloc(len + 1);

		memcpy(copy, whole, len);
		copy[len] = '\n'; /* not ours: would end a line that goes on */
		if (tw_port_profile_read(copy, len, &p, err) == 0)
			is_sound(&p, "cut");
		cr_assert(p.desc_cnt == 1024 || p.desc_cnt == 5 || p.desc_cnt == 51 ||
			  p.desc_cnt == 512);
		free(copy);
	}
}
