#include "parts.h"

#include <math.h>

const char *const part_names[PARTS] = {"bolt", "nut", "washer", "bracket", "pin"};

static uint32_t next(uint32_t *random) {
    *random ^= *random << 13;
    *random ^= *random >> 17;
    *random ^= *random << 5;
    return *random;
}

/* Between `low` and `high`. */
static float between(uint32_t *random, float low, float high) {
    return low + (high - low) * (float)(next(random) >> 8) / 16777216.0f;
}

/* Whether (x, y), in units of the part's size, is metal. */
static int metal(int part, float x, float y) {
    const float r = sqrtf(x * x + y * y);
    switch (part) {
    case 0: /* a head and a shaft */
        return (fabsf(x + 0.6f) < 0.3f && fabsf(y) < 0.55f) || (fabsf(x - 0.3f) < 0.7f && fabsf(y) < 0.2f);
    case 1: { /* six sides and a thread */
        const float angle = fmodf(atan2f(y, x) + 6.2831853f, 1.0471976f) - 0.5235988f;
        return r * cosf(angle) < 0.75f && r > 0.38f;
    }
    case 2: /* a thin ring */
        return r < 0.95f && r > 0.62f;
    case 3: /* an angle */
        return (fabsf(x + 0.6f) < 0.22f && fabsf(y) < 0.85f) || (fabsf(y - 0.6f) < 0.22f && fabsf(x) < 0.85f);
    default: /* a rod with round ends */
        return fabsf(y) < 0.16f && fabsf(x) < 0.95f;
    }
}

void draw_part(int part, uint32_t seed, uint8_t *nv12) {
    static const uint8_t tint[PARTS][2] = {{120, 138}, {128, 128}, {112, 140}, {140, 118}, {128, 132}};
    uint32_t random = 2463534242u ^ (seed * 2654435761u) ^ ((uint32_t)part * 40503u);
    int i, x, y;
    float turn, size, left, top, light, belt;
    for (i = 0; i < 8; i++) {
        next(&random);
    }
    turn = between(&random, 0.0f, 6.2831853f);
    size = between(&random, 62.0f, 86.0f);
    left = FRAME_WIDTH / 2 + between(&random, -20.0f, 20.0f);
    top = FRAME_HEIGHT / 2 + between(&random, -16.0f, 16.0f);
    light = between(&random, 150.0f, 205.0f);
    belt = between(&random, 45.0f, 70.0f);
    for (y = 0; y < FRAME_HEIGHT; y++) {
        for (x = 0; x < FRAME_WIDTH; x++) {
            const float dx = ((float)x - left) / size, dy = ((float)y - top) / size;
            const float u = dx * cosf(turn) + dy * sinf(turn), v = dy * cosf(turn) - dx * sinf(turn);
            const float level = metal(part, u, v) ? light + 18.0f * u : belt + 6.0f * sinf((float)x / 9.0f);
            nv12[y * FRAME_STRIDE + x] = (uint8_t)(level + between(&random, -5.0f, 5.0f));
        }
    }
    for (y = 0; y < FRAME_HEIGHT / 2; y++) {
        for (x = 0; x < FRAME_WIDTH; x += 2) {
            const float dx = (2.0f * (float)(x / 2) - left) / size, dy = (2.0f * (float)y - top) / size;
            const float u = dx * cosf(turn) + dy * sinf(turn), v = dy * cosf(turn) - dx * sinf(turn);
            uint8_t *chroma = nv12 + FRAME_STRIDE * (FRAME_HEIGHT + y) + x;
            const int on = metal(part, u, v);
            chroma[0] = on ? tint[part][0] : 124;
            chroma[1] = on ? tint[part][1] : 134;
        }
    }
}
