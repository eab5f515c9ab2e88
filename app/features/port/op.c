/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Ports.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "app.h"
#include "ops.h"
#include "ports.h"

/* In the order of enum tw_port_attach, without the default. */
static const char *const port_attach[] = {"owned", "shared", NULL};

/* In the order of enum tw_port_stamps. */
static const char *const rx_stamps[] = {"auto", "software", NULL};
static const char *const tx_stamps[] = {"auto", "software", "sampled", "scheduled", NULL};

static const char *const port_what[] = {"all", "timestamps", NULL};

static const char *
attach_name(enum tw_port_attach attach)
{
	return attach == TW_PORT_OWNED ? "owned" : attach == TW_PORT_SHARED ? "shared" : NULL;
}

static void
put_row(struct tw_out *out, const struct tw_ports_entry *e)
{
	const struct tw_port *p = e->port;

	tw_out_str(out, "name", p->cfg.name);
	tw_out_u64(out, "idx", p->idx, NULL);
	tw_out_str(out, "driver", p->driver);
	tw_out_str(out, "device", p->dev_name);
	tw_out_str(out, "attach", attach_name(p->cfg.attach));
	tw_out_str(out, "interface", p->ifname[0] != '\0' ? p->ifname : NULL);
	tw_out_strf(out, "mac", "%02x:%02x:%02x:%02x:%02x:%02x", p->mac[0], p->mac[1], p->mac[2],
		p->mac[3], p->mac[4], p->mac[5]);
	tw_out_str(out, "clock", p->cfg.clock);
	tw_out_bool(out, "is_up", e->link.is_up);
	tw_out_u64(out, "queues", p->queue_cnt, NULL);
	tw_out_u64(out, "sessions", e->users, NULL);
}

static void
put_stats(struct tw_out *out, const struct tw_port *p)
{
	struct tw_port_stats st;

	tw_port_stats_get(p, &st);
	tw_out_obj(out, "counters");
	tw_out_u64(out, "rx_packets", st.rx_packets, NULL);
	tw_out_u64(out, "rx_bytes", st.rx_bytes, NULL);
	tw_out_u64(out, "rx_missed", st.rx_missed, NULL);
	tw_out_u64(out, "rx_errors", st.rx_errors, NULL);
	tw_out_u64(out, "rx_nombuf", st.rx_nombuf, NULL);
	tw_out_u64(out, "tx_packets", st.tx_packets, NULL);
	tw_out_u64(out, "tx_bytes", st.tx_bytes, NULL);
	tw_out_u64(out, "tx_errors", st.tx_errors, NULL);
	tw_out_u64(out, "exception_to_kernel", st.exc_to_kernel, NULL);
	tw_out_u64(out, "exception_to_kernel_lost", st.exc_to_kernel_lost, NULL);
	tw_out_u64(out, "exception_from_kernel", st.exc_from_kernel, NULL);
	tw_out_u64(out, "exception_from_kernel_lost", st.exc_from_kernel_lost, NULL);
	tw_out_obj_end(out);
}

static void
put_port(struct tw_out *out, const struct tw_ports_entry *e)
{
	const struct tw_port *p = e->port;
	struct tw_port_profile profile;
	bool is_known;

	put_row(out, e);
	is_known = tw_port_profile_find(p->cfg.profile, NULL, &profile) == 0;
	tw_out_str(out, "profile", p->cfg.profile);
	tw_out_u64(out, "mtu", p->mtu, "octets");
	tw_out_u64(out, "speed_mbps", e->link.speed_mbps, "Mbit/s");
	tw_out_bool(out, "rx_checksum_offload", p->has_rx_cksum);
	tw_out_bool(out, "tx_ip_checksum_offload", p->has_tx_ip_cksum);
	tw_out_bool(out, "tx_udp_checksum_offload", p->has_tx_udp_cksum);
	tw_out_bool(out, "takes_partial_checksums", p->takes_partial_cksum);
	tw_out_u64(out, "flow_rules", p->flow_rules, NULL);
	tw_out_u64(out, "flow_rules_refused", p->flow_rules_refused, NULL);
	tw_out_str(out, "timestamps", is_known ? profile.timestamps : NULL);
	tw_out_str(out, "limits", is_known ? profile.limits : NULL);
	put_stats(out, p);
}

static void
cfg_fill(const struct tw_args *args, struct tw_port_cfg *cfg)
{
	*cfg = (struct tw_port_cfg){
		.mtu = (uint16_t)tw_args_u64(args, "mtu"),
		.queue_cnt = (uint16_t)tw_args_u64(args, "queues"),
		.desc_cnt = (uint16_t)tw_args_u64(args, "descriptors"),
		.exception_pps = (uint32_t)tw_args_u64(args, "exception_pps"),
		.is_promisc = tw_args_bool(args, "promiscuous"),
	};
	if (tw_args_has(args, "attach"))
		cfg->attach = (enum tw_port_attach)(TW_PORT_OWNED + tw_args_enum(args, "attach"));
	snprintf(cfg->name, sizeof(cfg->name), "%s", tw_args_str(args, "name"));
	snprintf(cfg->profile, sizeof(cfg->profile), "%s", tw_args_str(args, "profile"));
	snprintf(cfg->dev, sizeof(cfg->dev), "%s", tw_args_str(args, "dev"));
	snprintf(cfg->args, sizeof(cfg->args), "%s", tw_args_str(args, "args"));
	snprintf(cfg->clock, sizeof(cfg->clock), "%s", tw_args_str(args, "clock"));
	cfg->rx_stamps = (uint8_t)tw_args_enum(args, "rx_timestamps");
	cfg->tx_stamps = (uint8_t)tw_args_enum(args, "tx_timestamps");
	snprintf(cfg->tap, sizeof(cfg->tap), "%s", tw_args_str(args, "tap"));
}

static int
op_add(struct tw_app *app, const struct tw_args *args, struct tw_out *out)
{
	char err[TW_PORT_ERR_SIZE] = "";
	struct tw_port_cfg cfg;
	int ret;

	cfg_fill(args, &cfg);
	ret = tw_ports_add(app->ports, &cfg, err);
	if (ret != 0)
		return tw_out_fail(out, ret, NULL, NULL, "%s", err);
	put_port(out, tw_ports_find(app->ports, cfg.name));
	return 0;
}

static int
no_port(struct tw_out *out, const char *name)
{
	return tw_out_fail(
		out, -ENOENT, "name", "`show port` lists them", "there is no port '%s'", name);
}

static int
op_remove(struct tw_app *app, const struct tw_args *args, struct tw_out *out)
{
	const char *name = tw_args_str(args, "name");

	switch (tw_ports_del(app->ports, name)) {
	case 0:
		tw_out_str(out, "name", name);
		return 0;
	case -EBUSY:
		return tw_out_fail(out, -EBUSY, "name", "stop them first (show session, show test)",
			"port '%s' carries %u sessions", name,
			tw_ports_find(app->ports, name)->users);
	default:
		return no_port(out, name);
	}
}

static int
op_show(struct tw_app *app, const struct tw_args *args, struct tw_out *out)
{
	const char *name = tw_args_str(args, "name");
	struct tw_ports_entry *e;

	if (name[0] != '\0') {
		e = tw_ports_find(app->ports, name);
		if (e == NULL)
			return no_port(out, name);
		if (tw_args_enum(args, "what") == 1)
			tw_nic_show(out, e->port, e->nic);
		else
			put_port(out, e);
		return 0;
	}
	tw_out_arr(out, "ports");
	for (e = tw_ports_next(app->ports, 0); e != NULL;
		e = tw_ports_next(app->ports, e->port->idx + 1U)) {
		tw_out_obj(out, NULL);
		put_row(out, e);
		tw_out_obj_end(out);
	}
	tw_out_arr_end(out);
	return 0;
}

static void
put_xstat(void *arg, const char *name, uint64_t value)
{
	struct tw_out *out = arg;

	tw_out_obj(out, NULL);
	tw_out_str(out, "name", name);
	tw_out_u64(out, "value", value, NULL);
	tw_out_obj_end(out);
}

static int
op_xstats(struct tw_app *app, const struct tw_args *args, struct tw_out *out)
{
	const char *name = tw_args_str(args, "name");
	const struct tw_ports_entry *e = tw_ports_find(app->ports, name);
	int ret;

	if (e == NULL)
		return no_port(out, name);
	tw_out_arr(out, "counters");
	ret = tw_port_xstats_each(e->port, put_xstat, out);
	tw_out_arr_end(out);
	return ret >= 0 ? 0
			: tw_out_fail(
				  out, ret, NULL, NULL, "the driver of port '%s' has none", name);
}

static int
op_profiles(struct tw_app *app, const struct tw_args *args, struct tw_out *out)
{
	struct tw_port_profile p;
	unsigned i;

	(void)app;
	(void)args;
	tw_out_arr(out, "profiles");
	for (i = 0; tw_port_profile_at(i, &p) == 0; i++) {
		tw_out_obj(out, NULL);
		tw_out_str(out, "name", p.name);
		tw_out_str(out, "driver", p.driver);
		tw_out_str(out, "bus", p.bus);
		tw_out_str(out, "attach", attach_name(p.attach));
		tw_out_str(out, "required_args", p.require[0] != '\0' ? p.require : NULL);
		tw_out_str(out, "timestamps", p.timestamps);
		tw_out_str(out, "help", p.help);
		tw_out_str(out, "limits", p.limits[0] != '\0' ? p.limits : NULL);
		tw_out_obj_end(out);
	}
	tw_out_arr_end(out);
	return 0;
}

/* Words of a line that is put together piece by piece. */
struct words {
	const char *w[40];
	unsigned cnt;
};

static void
word_pair(struct words *w, const char *key, const char *value)
{
	if (value == NULL || value[0] == '\0')
		return;
	w->w[w->cnt++] = key;
	w->w[w->cnt++] = value;
}

/* What the operator said; the defaults filled in by the library read the same. */
static void
config_lines(struct tw_app *app, struct tw_op_lines *lines)
{
	char mtu[8], queues[8], desc[8], pps[16];
	const struct tw_port_cfg *c;
	struct tw_ports_entry *e;

	for (e = tw_ports_next(app->ports, 0); e != NULL;
		e = tw_ports_next(app->ports, e->port->idx + 1U)) {
		struct words w = {.w = {"add", "port"}, .cnt = 2};

		c = &e->port->cfg;
		if (c->nic != NULL)
			continue; /* of the simulated wire, which makes it */
		snprintf(mtu, sizeof(mtu), "%u", c->mtu);
		snprintf(queues, sizeof(queues), "%u", c->queue_cnt);
		snprintf(desc, sizeof(desc), "%u", c->desc_cnt);
		snprintf(pps, sizeof(pps), "%u", c->exception_pps);
		word_pair(&w, "name", c->name);
		word_pair(&w, "profile", c->profile);
		word_pair(&w, "dev", c->dev);
		word_pair(&w, "args", c->args);
		word_pair(&w, "attach", attach_name(c->attach));
		word_pair(&w, "clock", strcmp(c->clock, "system") != 0 ? c->clock : NULL);
		word_pair(&w, "rx_timestamps", c->rx_stamps != 0 ? rx_stamps[c->rx_stamps] : NULL);
		word_pair(&w, "tx_timestamps", c->tx_stamps != 0 ? tx_stamps[c->tx_stamps] : NULL);
		word_pair(&w, "mtu", c->mtu != 0 ? mtu : NULL);
		word_pair(&w, "queues", c->queue_cnt != 0 ? queues : NULL);
		word_pair(&w, "descriptors", c->desc_cnt != 0 ? desc : NULL);
		word_pair(&w, "tap", c->attach == TW_PORT_OWNED ? c->tap : NULL);
		word_pair(&w, "exception_pps", c->attach == TW_PORT_OWNED ? pps : NULL);
		word_pair(&w, "promiscuous", c->is_promisc ? "yes" : NULL);
		tw_op_line(lines, w.w, w.cnt);
	}
}

#define TW_FEATURE        port
#define TW_FEATURE_DEF    "port/port.def"
#define TW_FEATURE_CONFIG config_lines
#include "../feature.h"
