/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pins.h: the folders in which enforcement.pin keeps what outlives the daemon in the kernel: BASE/vN, where
 * BASE is the instance's folder on the bpffs and N the version of bpf/abi.h that what lies in it was made by.
 * Folders and names only: kernel_pins.c makes and takes up what lies in them.
 */
#ifndef PICKET_PINS_H
#define PICKET_PINS_H

#include <limits.h>
#include <stdbool.h>

#define PINS_VERSIONS_MAX 8 /* more are left alone until these are gone */

/* The versions that have a folder there, highest first; returns how many. */
unsigned pins_versions(const char *base, unsigned ret[static PINS_VERSIONS_MAX]);
/* BASE/vN: 0 or -ENAMETOOLONG. */
int pins_folder(const char *base, unsigned version, char ret[static PATH_MAX]);
/* Calls each for every name in that folder until it returns not 0, and returns that; or -errno. No folder: 0.
 */
int pins_each(const char *folder, int (*each)(void *arg, const char *folder, const char *name), void *arg);
/* Removes all that lies in it, and the folder: what nothing else holds is gone from the kernel. 0 or -errno.
 * *ret_count: how many files these were. */
int pins_remove(const char *base, unsigned version, unsigned *ret_count);

#endif
