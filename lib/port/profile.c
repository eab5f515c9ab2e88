/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Driver profiles: text from drivers-cfg into a struct, by a table of keys.
 */
#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "port_i.h"

enum kind { TEXT = 1, NUMBER, YES_NO, ATTACH };

struct key {
	const char *name;
	enum kind kind;
	size_t off;
	size_t size;       /* TEXT: of the field */
	const char *words; /* TEXT: if set, the only values, space separated */
	uint32_t max;      /* NUMBER */
};

#define FIELD(f) offsetof(struct tw_port_profile, f)
#define TEXT_KEY(n, f, w)                                                                          \
	{                                                                                          \
		n, TEXT, FIELD(f), sizeof(((struct tw_port_profile *)0)->f), w, 0                  \
	}
#define NUMBER_KEY(n, f, m)                                                                        \
	{                                                                                          \
		n, NUMBER, FIELD(f), 0, NULL, m                                                    \
	}
#define YES_KEY(n, f)                                                                              \
	{                                                                                          \
		n, YES_NO, FIELD(f), 0, NULL, 0                                                    \
	}

static const struct key keys[] = {
	TEXT_KEY("help", help, NULL),
	TEXT_KEY("driver", driver, NULL),
	TEXT_KEY("bus", bus, " vdev pci ethdev "),
	TEXT_KEY("dev", dev, " none iface pci name "),
	TEXT_KEY("devargs", devargs, NULL),
	TEXT_KEY("require", require, NULL),
	{"attach", ATTACH, 0, 0, NULL, 0},
	NUMBER_KEY("queues-max", queues_max, TW_PORT_QUEUES_MAX),
	NUMBER_KEY("queues", queues_default, TW_PORT_QUEUES_MAX),
	NUMBER_KEY("descriptors", desc_cnt, 8192),
	NUMBER_KEY("mtu-max", mtu_max, TW_PORT_MTU_MAX),
	NUMBER_KEY("settle-ms", settle_ms, 1000),
	NUMBER_KEY("flow-rules", flow_rules, 1U << 20),
	YES_KEY("mtu-set", sets_mtu),
	YES_KEY("rx-checksum", use_rx_cksum),
	YES_KEY("tx-checksum", use_tx_cksum),
	YES_KEY("sees-foreign", sees_foreign),
	YES_KEY("partial-checksum", is_partial_cksum),
	YES_KEY("leaves-xdp", leaves_xdp),
	YES_KEY("maps-socket", maps_socket),
	YES_KEY("threaded", is_threaded),
	YES_KEY("bifurcated", is_bifurcated),
	TEXT_KEY("restart", restart, NULL),
	TEXT_KEY("socket-arg", socket_arg, NULL),
	TEXT_KEY("listens", listens, NULL),
	TEXT_KEY("timestamps", timestamps, NULL),
	TEXT_KEY("limits", limits, NULL),
};

static const struct key *
key_find(const char *name)
{
	for (unsigned i = 0; i < TW_ARRAY_SIZE(keys); i++)
		if (strcmp(keys[i].name, name) == 0)
			return &keys[i];
	return NULL;
}

static bool
is_word_of(const char *value, const char *words)
{
	char w[40];

	if (strchr(value, ' ') != NULL || strlen(value) > sizeof(w) - 3)
		return false;
	snprintf(w, sizeof(w), " %s ", value);
	return strstr(words, w) != NULL;
}

static bool
attach_set(struct tw_port_profile *p, const char *value)
{
	p->can_own = strstr(value, "owned") != NULL;
	p->can_share = strstr(value, "shared") != NULL;
	if (strncmp(value, "owned", 5) == 0)
		p->attach = TW_PORT_OWNED;
	else if (strncmp(value, "shared", 6) == 0)
		p->attach = TW_PORT_SHARED;
	else
		return false;
	return is_word_of(value, " owned shared ") || strcmp(value, "owned shared") == 0 ||
	       strcmp(value, "shared owned") == 0;
}

static bool
key_set(const struct key *k, const char *value, struct tw_port_profile *p)
{
	char *field = (char *)p + k->off;
	unsigned long v;
	uint32_t number;
	char *end;

	switch (k->kind) {
	case TEXT:
		if (strlen(value) >= k->size || (k->words != NULL && !is_word_of(value, k->words)))
			return false;
		memcpy(field, value, strlen(value) + 1);
		return true;
	case NUMBER:
		v = strtoul(value, &end, 10);
		if (!isdigit((unsigned char)value[0]) || *end != '\0' || v > k->max)
			return false;
		number = (uint32_t)v;
		memcpy(field, &number, sizeof(number));
		return true;
	case YES_NO:
		if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0)
			return false;
		*(bool *)field = value[0] == 'y';
		return true;
	case ATTACH:
		return attach_set(p, value);
	}
	return false;
}

/* One line, already without comment and trailing space. */
static const char *
line_read(char *line, struct tw_port_profile *out)
{
	const struct key *k;
	char *value = line + strcspn(line, " \t");

	if (*value == '\0')
		return "a key without value";
	*value++ = '\0';
	value += strspn(value, " \t");
	k = key_find(line);
	if (k == NULL)
		return "unknown key";
	return key_set(k, value, out) ? NULL : "value not allowed";
}

int
tw_port_profile_read(
	const char *text, size_t len, struct tw_port_profile *out, char err[TW_PORT_ERR_SIZE])
{
	char line[512];
	const char *why;
	unsigned line_no = 0;
	size_t n, used;

	*out = (struct tw_port_profile){.bus = "ethdev",
		.dev = "none",
		.can_own = true,
		.attach = TW_PORT_OWNED,
		.queues_max = TW_PORT_QUEUES_MAX,
		.desc_cnt = 1024,
		.restart = "no",
		.timestamps = "none"};
	for (; len > 0; text += used, len -= used) {
		const char *nl = memchr(text, '\n', len);

		n = nl != NULL ? (size_t)(nl - text) : len;
		used = nl != NULL ? n + 1 : n;
		line_no++;
		if (n >= sizeof(line)) {
			snprintf(err, TW_PORT_ERR_SIZE, "line %u: too long", line_no);
			return -EINVAL;
		}
		memcpy(line, text, n);
		line[n] = '\0';
		line[strcspn(line, "#\r")] = '\0';
		for (n = strlen(line); n > 0 && isspace((unsigned char)line[n - 1]); n--)
			line[n - 1] = '\0';
		if (line[0] == '\0')
			continue;
		why = line_read(line, out);
		if (why != NULL) {
			snprintf(err, TW_PORT_ERR_SIZE, "line %u: %.40s: %s", line_no, line, why);
			return -EINVAL;
		}
	}
	return 0;
}

int
tw_port_profile_at(unsigned i, struct tw_port_profile *out)
{
	char err[TW_PORT_ERR_SIZE];
	int res;

	if (i >= profile_text_cnt)
		return -ENOENT;
	res = tw_port_profile_read(profile_texts[i].text, strlen(profile_texts[i].text), out, err);
	if (res == 0)
		snprintf(out->name, sizeof(out->name), "%s", profile_texts[i].name);
	return res;
}

int
tw_port_profile_find(const char *name, const char *driver, struct tw_port_profile *out)
{
	for (unsigned i = 0; i < profile_text_cnt; i++) {
		int res = 0;

		if (name != NULL && strcmp(profile_texts[i].name, name) != 0)
			continue;
		res = tw_port_profile_at(i, out);
		if (res != 0 || name != NULL)
			return res;
		if (out->driver[0] != '\0' && strcmp(out->driver, driver) == 0)
			return 0;
	}
	return -ENOENT;
}
