/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Read-only operations in DPDK telemetry (telemetry.def), so that dpdk-telemetry.py and what
 * speaks to it see the appliance. DPDK serves it from threads of its own, which ask the control
 * lcore as the shell does.
 */
#ifndef TW_TELEMETRY_H
#define TW_TELEMETRY_H

struct tw_app;
struct tw_telemetry;

/**
 * Register the commands. They cannot be taken back: one appliance a process, once.
 * @return NULL with errno set. Context: main lcore, after EAL, before control starts
 */
struct tw_telemetry *tw_telemetry_new(struct tw_app *app);

/** Commands fail from now on. Context: main lcore, after control has ended. */
void tw_telemetry_free(struct tw_telemetry *t);

/** As tw_shell_attach() and tw_shell_detach(). Context: control lcore. */
int tw_telemetry_attach(struct tw_telemetry *t);
void tw_telemetry_detach(struct tw_telemetry *t);

#endif /* TW_TELEMETRY_H */
