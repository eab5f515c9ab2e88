/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The device of a port comes and goes: created (vdev), probed (pci) or adopted (ethdev), as its
 * profile says, with arguments made from the profile's and the operator's.
 */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include <rte_bus.h>
#include <rte_dev.h>
#include <rte_ethdev.h>

#include "port_i.h"

/* Is there this key in a list of arguments? */
static bool
has_key(const char *args, const char *key, size_t key_len)
{
	while (*args != '\0') {
		if (strncmp(args, key, key_len) == 0 &&
			(args[key_len] == '=' || args[key_len] == ',' || args[key_len] == '\0'))
			return true;
		args += strcspn(args, ",");
		args += *args == ',';
	}
	return false;
}

bool
port_args_have(const char *args, const char *key_value)
{
	const size_t len = strlen(key_value);

	for (; *args != '\0'; args += *args == ',') {
		if (strncmp(args, key_value, len) == 0 && (args[len] == ',' || args[len] == '\0'))
			return true;
		args += strcspn(args, ",");
	}
	return false;
}

static int
check_required(const struct tw_port *p, char *err)
{
	const struct tw_port_profile *prof = &p->priv->profile;
	const char *k = prof->require;
	size_t n;

	for (; *k != '\0'; k += n + (k[n] == ' ')) {
		n = strcspn(k, " ");
		if (n > 0 && !has_key(p->cfg.args, k, n)) {
			snprintf(err, TW_PORT_ERR_SIZE,
				"port %s: profile %s needs %.*s= in args (required: %s)",
				p->cfg.name, prof->name, (int)n, k, prof->require);
			return -EINVAL;
		}
	}
	return 0;
}

/* The value of a {word} in a profile's devargs. */
static bool
word_value(const struct tw_port *p, const char *word, size_t len, char *out, size_t size)
{
	const unsigned room = port_room(p->mtu);
	const struct {
		const char *word;
		unsigned value;
	} numbers[] = {
		{"{queues}", p->queue_cnt},
		{"{room}", room},
		{"{room+}", room + 64},
		{"{block}", RTE_ALIGN(room, 4096u)},
	};

	if (len == 5 && strncmp(word, "{dev}", len) == 0) {
		snprintf(out, size, "%s", p->cfg.dev);
		return true;
	}
	for (unsigned i = 0; i < TW_ARRAY_SIZE(numbers); i++) {
		if (strlen(numbers[i].word) == len && strncmp(numbers[i].word, word, len) == 0) {
			snprintf(out, size, "%u", numbers[i].value);
			return true;
		}
	}
	return false;
}

/* Append one argument of the profile, its {words} replaced. */
static bool
arg_expand(const struct tw_port *p, const char *arg, size_t len, char *out, size_t size)
{
	char value[80];
	size_t at = strlen(out), n;

	while (len > 0) {
		n = 1;
		if (*arg == '{') {
			const char *end = memchr(arg, '}', len);

			if (end == NULL)
				return false;
			n = (size_t)(end - arg) + 1;
			if (!word_value(p, arg, n, value, sizeof(value)))
				return false;
		} else {
			value[0] = *arg;
			value[1] = '\0';
		}
		if (at + strlen(value) >= size)
			return false;
		memcpy(out + at, value, strlen(value) + 1);
		at += strlen(value);
		arg += n;
		len -= n;
	}
	return true;
}

/* The operator's arguments first, then those of the profile he did not give. */
static int
args_make(const struct tw_port *p, char *out, size_t size, char *err)
{
	const char *base = p->priv->profile.devargs;
	size_t n;

	snprintf(out, size, "%s", p->cfg.args);
	for (; *base != '\0'; base += n + (base[n] == ',')) {
		n = strcspn(base, ",");
		if (has_key(p->cfg.args, base, strcspn(base, "=,")))
			continue;
		if (out[0] != '\0' && strlen(out) + 1 < size)
			strcat(out, ",");
		if (!arg_expand(p, base, n, out, size)) {
			snprintf(err, TW_PORT_ERR_SIZE,
				"port %s: profile %s: argument %.*s cannot be made", p->cfg.name,
				p->priv->profile.name, (int)n, base);
			return -EINVAL;
		}
	}
	return 0;
}

static int
iface_check(struct tw_port *p, char *err)
{
	p->ifindex = if_nametoindex(p->cfg.dev);
	if (p->ifindex == 0) {
		snprintf(err, TW_PORT_ERR_SIZE,
			"port %s: no interface %s in this network namespace (see: ip link)",
			p->cfg.name, p->cfg.dev);
		return -ENODEV;
	}
	snprintf(p->ifname, sizeof(p->ifname), "%.15s", p->cfg.dev);
	return 0;
}

static int
adopt(struct tw_port *p, char *err)
{
	if (rte_eth_dev_get_port_by_name(p->cfg.dev, &p->eth_id) != 0) {
		snprintf(err, TW_PORT_ERR_SIZE,
			"port %s: no ethdev %s (make it with --vdev or --allow)", p->cfg.name,
			p->cfg.dev);
		return -ENODEV;
	}
	p->is_adopted = true;
	snprintf(p->dev_name, sizeof(p->dev_name), "%s", p->cfg.dev);
	return 0;
}

static int
hotplug(struct tw_port *p, char *err)
{
	const struct tw_port_profile *prof = &p->priv->profile;
	char args[TW_PORT_ARGS_SIZE + sizeof(prof->devargs)];
	int res;

	res = args_make(p, args, sizeof(args), err);
	if (res != 0)
		return res;
	if (strcmp(prof->bus, "pci") == 0) {
		snprintf(p->dev_name, sizeof(p->dev_name), "%.*s", (int)sizeof(p->dev_name) - 1,
			p->cfg.dev);
		/* EAL may have probed it at start */
		if (rte_eth_dev_get_port_by_name(p->dev_name, &p->eth_id) == 0) {
			p->priv->is_probed = true;
			return 0;
		}
	} else {
		snprintf(p->dev_name, sizeof(p->dev_name), "%s_tw%u", prof->driver, p->idx);
	}
	res = rte_eal_hotplug_add(prof->bus, p->dev_name, args);
	if (res == 0) {
		p->priv->is_probed = true;
		res = rte_eth_dev_get_port_by_name(p->dev_name, &p->eth_id);
	}
	if (res != 0)
		snprintf(err, TW_PORT_ERR_SIZE,
			"port %s: the driver refused device %s with '%.100s': %s%s", p->cfg.name,
			p->dev_name, args, rte_strerror(-res),
			strcmp(prof->bus, "pci") == 0 ? " (bound to vfio-pci? see dpdk-devbind.py)"
						      : "");
	return res;
}

int
port_device_probe(struct tw_port *p, char *err)
{
	const struct tw_port_profile *prof = &p->priv->profile;
	int res;

	p->eth_id = RTE_MAX_ETHPORTS;
	if (strcmp(prof->dev, "none") != 0 && p->cfg.dev[0] == '\0') {
		snprintf(err, TW_PORT_ERR_SIZE, "port %s: profile %s needs dev (%s)", p->cfg.name,
			prof->name, prof->dev);
		return -EINVAL;
	}
	res = check_required(p, err);
	/* a tap makes its interface itself */
	if (res == 0 && strcmp(prof->dev, "iface") == 0 && strcmp(prof->driver, "net_tap") != 0)
		res = iface_check(p, err);
	if (res == 0)
		res = strcmp(prof->bus, "ethdev") == 0 ? adopt(p, err) : hotplug(p, err);
	if (res != 0)
		port_device_remove(p);
	return res;
}

void
port_device_remove(struct tw_port *p)
{
	if (p->priv->is_probed)
		(void)rte_eal_hotplug_remove(p->priv->profile.bus, p->dev_name);
	p->priv->is_probed = false;
	p->eth_id = RTE_MAX_ETHPORTS;
}
