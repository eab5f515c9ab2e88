/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * What anybody may send to the server: octets behind its greeting, in pieces, with the key derived
 * now and then. First octet: which peer, and what is known of IKE SAs: none, one, one that may
 * come. Nobody gets in without the secret.
 */
#include "server_ops.h"

static bool
is_in(const struct talk *t)
{
	struct tw_ctl_conn_info info;

	tw_ctl_conn_info_get(t->conn, &info);
	return (info.state == TW_CTL_CONN_READY || info.state == TW_CTL_CONN_ACTIVE) &&
	       tw_mode_protects_control(info.mode);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const peers[] = {
		"192.0.2.77", "2001:db8::77", "198.51.100.1", "2001:db9::1"};
	struct tw_rd rd = tw_rd_init(data, size);
	uint8_t peer = 0, out[2048], buf[255], n;
	struct talk t;

	tw_rd_u8(&rd, &peer);
	ops_ike = peer & 4;
	ops_begin(&t, peers[peer % TW_ARRAY_SIZE(peers)]);
	ops_bed.sa[0].is_late = peer & 8;
	if (peer & 8)
		ops_bed.ike_expects = bed_addr(peers[peer % TW_ARRAY_SIZE(peers)]);
	while (tw_rd_u8(&rd, &n) && !tw_ctl_conn_is_done(t.conn)) {
		size_t len = n < rd.left ? n : rd.left;

		tw_rd_bytes(&rd, buf, len);
		talk_raw(&t, buf, len);
		if (n % 4 == 3)
			bed_wait(&ops_bed, n * BED_NS_PER_S / 8);
		if (n % 8 == 6) {
			ops_bed.sa[0].is_late = !ops_bed.sa[0].is_late;
			tw_ctl_srv_ike_changed(
				ops_bed.srv, n & 8 ? NULL : ops_bed.sa[0].spis, ops_bed.now);
		}
		if (n % 4 != 1)
			bed_derive(&ops_bed);
		CHECK(!is_in(&t));
		talk_read(&t, out, sizeof(out));
	}
	ops_end(&t);
	return 0;
}
