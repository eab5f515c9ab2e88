/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/* The IKE SAs an owner of the machines knows, see bed.h. */
#include "bed.h"

struct bed_sa *
bed_add_sa(struct bed *bed, uint8_t spi, const void *key, size_t len)
{
	struct bed_sa *sa = &bed->sa[bed->sa_cnt++];

	BED_CHECK(bed->sa_cnt <= TW_ARRAY_SIZE(bed->sa) && len <= sizeof(sa->key));
	*sa = (struct bed_sa){.answer = TW_CTL_IKE_OK, .key_len = len};
	memset(sa->spis, spi, 8);
	memset(sa->spis + 8, spi ^ 0xff, 8);
	memcpy(sa->key, key, len);
	return sa;
}

void
bed_key_octets(uint8_t *key, size_t len, uint8_t first)
{
	for (size_t i = 0; i < len; i++)
		key[i] = (uint8_t)(first + i);
	key[len / 2] = 0; /* as good as any other octet */
}

static struct tw_secret *
secret_of(const struct bed_sa *sa)
{
	struct tw_secret *s = tw_secret_new(sa->key, sa->key_len);

	BED_CHECK(s != NULL);
	return s;
}

bool
bed_offers_ike(void *app, const struct tw_addr *peer)
{
	struct bed *bed = app;

	(void)peer;
	return bed->is_ike_up;
}

enum tw_ctl_ike
bed_ike_of_spis(void *app, const uint8_t spis[TW_CTL_SPIS_LEN], const struct tw_addr *peer,
	struct tw_secret **secret)
{
	struct bed *bed = app;

	bed->ike_calls++;
	for (size_t i = 0; i < bed->sa_cnt; i++) {
		const struct bed_sa *sa = &bed->sa[i];

		if (sa->is_late || memcmp(sa->spis, spis, TW_CTL_SPIS_LEN) != 0)
			continue;
		if (sa->peer.family != 0 && !tw_addr_equal(&sa->peer, peer))
			return TW_CTL_IKE_ADDRESS;
		if (sa->answer == TW_CTL_IKE_OK || sa->answer == TW_CTL_IKE_SUPERSEDED)
			*secret = secret_of(sa);
		return sa->answer;
	}
	if (bed->ike_expects.family != 0 && tw_addr_equal(&bed->ike_expects, peer))
		return TW_CTL_IKE_EXPECTED;
	return TW_CTL_IKE_UNKNOWN;
}

enum tw_ctl_ike
bed_ike_newest(void *app, const struct tw_addr *server, uint8_t spis[TW_CTL_SPIS_LEN],
	struct tw_secret **secret)
{
	struct bed *bed = app;
	enum tw_ctl_ike ike = TW_CTL_IKE_UNKNOWN;

	(void)server;
	bed->ike_calls++;
	for (size_t i = bed->sa_cnt; i-- > 0;) {
		const struct bed_sa *sa = &bed->sa[i];

		ike = sa->answer;
		if (ike != TW_CTL_IKE_OK)
			continue;
		memcpy(spis, sa->spis, TW_CTL_SPIS_LEN);
		*secret = secret_of(sa);
		return ike;
	}
	return ike;
}
