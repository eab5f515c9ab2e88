/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The device of a port comes and goes: created (vdev), probed (pci) or adopted (ethdev), as its
 * profile says, with arguments made from the profile's and the operator's.
 */
#include <errno.h>
#include <net/if.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <rte_alarm.h>
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

/* The value of "key=" in a list of arguments; false if it is not there or too long. */
static bool
value_of(const char *args, const char *key, char *out, size_t size)
{
	const size_t key_len = strlen(key);

	for (; *args != '\0'; args += *args == ',') {
		const size_t len = strcspn(args, ",");

		if (len > key_len && strncmp(args, key, key_len) == 0 && args[key_len] == '=') {
			if (len - key_len - 1 >= size)
				return false;
			memcpy(out, args + key_len + 1, len - key_len - 1);
			out[len - key_len - 1] = '\0';
			return true;
		}
		args += len;
	}
	return false;
}

/* The socket file that the driver of this port makes. */
static bool
socket_path(const struct tw_port *p, struct sockaddr_un *out)
{
	const struct tw_port_profile *prof = &p->priv->profile;

	*out = (struct sockaddr_un){.sun_family = AF_UNIX};
	return prof->socket_arg[0] != '\0' && port_args_have(p->cfg.args, prof->listens) &&
	       value_of(p->cfg.args, prof->socket_arg, out->sun_path, sizeof(out->sun_path));
}

/* What a killed process left behind would keep the driver from listening: nobody is there. */
static void
remove_stale_socket(const struct tw_port *p)
{
	struct sockaddr_un sun;
	struct stat st;
	int fd;

	if (!socket_path(p, &sun) || lstat(sun.sun_path, &st) != 0 || !S_ISSOCK(st.st_mode))
		return;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	if (connect(fd, (const struct sockaddr *)&sun, sizeof(sun)) != 0 && errno == ECONNREFUSED)
		(void)unlink(sun.sun_path);
	close(fd);
}

/*
 * A socket file made as root would shut out a peer that has become the service user, as we are
 * about to, and would stay behind when we go.
 */
int
port_socket_give(const struct tw_port *p, const struct tw_port_env *env, char *err)
{
	struct sockaddr_un sun;
	struct stat st;

	if (env->uid == 0 || !socket_path(p, &sun) || lstat(sun.sun_path, &st) != 0 ||
		!S_ISSOCK(st.st_mode) || st.st_uid != geteuid())
		return 0;
	if (lchown(sun.sun_path, env->uid, env->gid) == 0)
		return 0;
	snprintf(err, TW_PORT_ERR_SIZE, "port %s: socket %s cannot be given to user %u: %s",
		p->cfg.name, sun.sun_path, (unsigned)env->uid, strerror(errno));
	return -EPERM;
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
	remove_stale_socket(p);
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

/* A call made for somebody who waits. */
struct call {
	int (*fn)(struct tw_port *p);
	struct tw_port *port;
	int res;
	sem_t done;
};

static void
on_alarm(void *arg)
{
	struct call *c = arg;

	c->res = c->fn(c->port);
	sem_post(&c->done);
}

/*
 * Some drivers work on a device in EAL's interrupt thread, without a lock (memif: a peer that
 * goes or comes). Alarms run in that thread: what is called there cannot meet them half way.
 */
int
port_call(struct tw_port *p, int (*fn)(struct tw_port *p))
{
	struct call c = {.fn = fn, .port = p};

	if (!p->priv->profile.is_threaded || sem_init(&c.done, 0, 0) != 0)
		return fn(p);
	if (rte_eal_alarm_set(1, on_alarm, &c) != 0) {
		sem_destroy(&c.done);
		return fn(p);
	}
	while (sem_wait(&c.done) != 0)
		; /* a signal */
	sem_destroy(&c.done);
	return c.res;
}

void
port_device_remove(struct tw_port *p)
{
	if (p->priv->is_probed)
		(void)rte_eal_hotplug_remove(p->priv->profile.bus, p->dev_name);
	p->priv->is_probed = false;
	p->eth_id = RTE_MAX_ETHPORTS;
}
