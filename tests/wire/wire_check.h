/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * What every control message must do, checked octet by octet.
 */
#ifndef WIRE_CHECK_H
#define WIRE_CHECK_H

#include "tw_wire.h"

/* Bits of a message that are not the sender's to choose. */
struct wire_mbz {
	size_t off;
	size_t len;
	uint8_t bits; /* which bits of each octet, 0 for all */
};

struct wire_msg {
	size_t len;
	size_t size; /* of the struct */
	bool (*read)(struct tw_rd *rd, void *out);
	bool (*write)(struct tw_wr *wr, const void *in);
	bool is_cmd; /* octet 0 is fixed */
};

/* Define `static const struct wire_msg msg` for tw_wire_<name>. */
#define WIRE_MSG(NAME, name, cmd)                                                                  \
	static bool read_##name(struct tw_rd *rd, void *out)                                       \
	{                                                                                          \
		return tw_wire_##name##_read(rd, out);                                             \
	}                                                                                          \
	static bool write_##name(struct tw_wr *wr, const void *in)                                 \
	{                                                                                          \
		return tw_wire_##name##_write(wr, in);                                             \
	}                                                                                          \
	static const struct wire_msg msg = {TW_WIRE_##NAME##_LEN, sizeof(struct tw_wire_##name),   \
		read_##name, write_##name, cmd}

/**
 * Read, write and read again: the golden octets come back; every truncation and every short buffer
 * is refused and leaves everything alone; MBZ bits are ignored and written as zero; every other bit
 * is kept; another Command octet is refused.
 *
 * @param golden msg->len octets as hex, blanks allowed
 * @param mbz    terminated by a len of 0
 */
void wire_check(const struct wire_msg *msg, const char *golden, const struct wire_mbz *mbz);

#endif /* WIRE_CHECK_H */
