/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Raw records of a test as a CSV file, one line per reply. Records are copied to a thread that
 * formats and writes: neither the data lcores nor the control lcore wait for a disk.
 *
 * Context: control lcore; the thread is private to the file.
 */
#ifndef TW_RAW_FILE_H
#define TW_RAW_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "tw_metrics.h"

struct tw_raw_file;

/**
 * Create a file (it must not exist) and write the head line.
 * @return NULL with errno set
 */
struct tw_raw_file *tw_raw_file_new(const char *path);

/** Queue a record; a full queue loses and counts it. @param session number within the test */
void tw_raw_file_put(
	struct tw_raw_file *f, uint32_t session, const struct tw_metrics_sample *sample);

/** No record follows: the thread writes what is queued, closes the file and ends. */
void tw_raw_file_end(struct tw_raw_file *f);

/** After tw_raw_file_end(): free it if the file is complete. @return true if it is gone */
bool tw_raw_file_poll(struct tw_raw_file *f);

/** Records lost: queue full, or the file could not be written. */
uint64_t tw_raw_file_lost(const struct tw_raw_file *f);

/** End, wait until the file is complete, free: when the appliance stops. NULL is fine. */
void tw_raw_file_free(struct tw_raw_file *f);

#endif /* TW_RAW_FILE_H */
