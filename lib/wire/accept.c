/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Accept values, RFC 4656 3.3 and RFC 7717 5.3.
 */
#include "tw_wire.h"

static const char *const names[TW_WIRE_ACCEPT_N] = {
	[TW_WIRE_ACCEPT_OK] = "accepted",
	[TW_WIRE_ACCEPT_FAILURE] = "failure, no reason given",
	[TW_WIRE_ACCEPT_INTERNAL] = "internal error",
	[TW_WIRE_ACCEPT_UNSUPPORTED] = "some aspect of the request is not supported",
	[TW_WIRE_ACCEPT_PERMANENT_LIMIT] = "permanent resource limitation",
	[TW_WIRE_ACCEPT_TEMPORARY_LIMIT] = "temporary resource limitation",
	[TW_WIRE_ACCEPT_NO_IKE_SA] = "IKE security association not found",
};

enum tw_wire_accept
tw_wire_accept_of(uint8_t accept)
{
	return accept < TW_WIRE_ACCEPT_N ? (enum tw_wire_accept)accept : TW_WIRE_ACCEPT_FAILURE;
}

const char *
tw_wire_accept_name(uint8_t accept)
{
	return names[tw_wire_accept_of(accept)];
}
