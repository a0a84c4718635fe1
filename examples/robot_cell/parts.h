/* What the camera of the cell sees: drawn parts on a belt, as NV12 frames. */
#ifndef PARTS_H
#define PARTS_H

#include <stdint.h>

enum { FRAME_WIDTH = 320, FRAME_HEIGHT = 240, FRAME_STRIDE = 384, PARTS = 5 };
enum { FRAME_BYTES = FRAME_STRIDE * (FRAME_HEIGHT + FRAME_HEIGHT / 2) };

extern const char *const part_names[PARTS];

/* Draws part `part` somewhere on the belt, turned, in some light; the same `seed` gives the same frame. */
void draw_part(int part, uint32_t seed, uint8_t *nv12);

#endif
