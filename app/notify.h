/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Telling who started the appliance how far it is: sd_notify(3) without its library, for systemd
 * (Type=notify) and for scripts that wait.
 */
#ifndef TW_NOTIFY_H
#define TW_NOTIFY_H

/**
 * Send @p state ("READY=1", "STOPPING=1") to the datagram socket that NOTIFY_SOCKET names, if it
 * is set. Nobody listening is no failure.
 * Context: main thread. Does not block.
 */
void tw_notify(const char *state);

#endif /* TW_NOTIFY_H */
