/* A robot cell that is shown new parts while it works.
 *
 *     robot_cell MODEL [STATE]
 *
 * The camera delivers NV12 frames with a stride, whose middle goes straight into the input of the network. The cell knows two parts. When
 * others come along the belt, an operator holds a button and says their name: a dozen frames are learned in the background, while the cell goes
 * on asking about every frame. Between two cycles the new model is there, all at once; before it is used, it is saved. Then the power goes,
 * and the cell goes on from what it saved.
 *
 * What it answers goes to standard output, how long that took to standard error. Exits with 1 where too few answers are right.
 */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <perennial.h>

#include "parts.h"

enum { SHOWN = 12, CYCLES = 10, EPOCHS = 3, NAME = 64 };

static perennial_error error = PERENNIAL_ERROR_INIT;

/* Ends the program where a call failed. Firmware would go on with the state that it has, which is as it was before the call. */
static void check(perennial_status status) {
    if (status != PERENNIAL_STATUS_OK) {
        fprintf(stderr, "error %u: %s\n", (unsigned)status, error.message);
        exit(1);
    }
}

struct cell {
    perennial_backbone *backbone;
    perennial_preprocess *preprocess;
    perennial_background *background;
    perennial_predictor *predictor;
    size_t pixels; /* numbers of an image */
    float *image;
    uint8_t frame[FRAME_BYTES];
};

/* The frame that the camera takes, as an image of the network. */
static void take(struct cell *cell, int part, uint32_t seed, float *image) {
    perennial_frame frame;
    draw_part(part, seed, cell->frame);
    memset(&frame, 0, sizeof frame);
    frame.struct_size = sizeof frame;
    frame.format = PERENNIAL_NV12;
    frame.width = FRAME_WIDTH;
    frame.height = FRAME_HEIGHT;
    frame.x = (FRAME_WIDTH - FRAME_HEIGHT) / 2;
    frame.region_width = frame.region_height = FRAME_HEIGHT;
    frame.planes[0] = cell->frame;
    frame.lengths[0] = FRAME_BYTES;
    frame.strides[0] = FRAME_STRIDE;
    check(perennial_preprocess_frame(cell->preprocess, &frame, image, cell->pixels, &error));
}

/* Starts to work, from what was saved where there is something. */
static void start(struct cell *cell, const char *model, const char *saved) {
    perennial_options options;
    perennial_preprocess_options preprocess;
    perennial_learner *learner = NULL;
    perennial_state *state = NULL;
    size_t shape[3];
    perennial_status found = perennial_state_load_file(saved, NULL, &state, &error);
    if (found != PERENNIAL_STATUS_NOT_FOUND) {
        check(found);
    }
    check(perennial_backbone_read(model, 0, 0, &cell->backbone, &error));
    check(perennial_options_default(&options, sizeof options, &error));
    options.blocks = 2;
    options.random_features = 500;
    check(perennial_learner_create(cell->backbone, &options, state, &learner, &error));
    perennial_state_destroy(&state);
    check(perennial_learner_image_shape(learner, shape, &error));
    cell->pixels = shape[0] * shape[1] * shape[2];
    cell->image = malloc(cell->pixels * sizeof *cell->image);
    check(perennial_preprocess_default(&preprocess, sizeof preprocess, (uint32_t)shape[1], &error));
    preprocess.resize_short = preprocess.crop; /* the region is the part; no margin is cut */
    check(perennial_preprocess_create(cell->backbone, &preprocess, &cell->preprocess, &error));
    check(perennial_background_create(&learner, NULL, &cell->background, &error));
    check(perennial_background_predictor(cell->background, &cell->predictor, &error));
}

/* The power goes: nothing is said to anybody. */
static void stop(struct cell *cell) {
    perennial_background_destroy(&cell->background);
    perennial_predictor_destroy(&cell->predictor);
    perennial_preprocess_destroy(&cell->preprocess);
    perennial_backbone_destroy(&cell->backbone);
    free(cell->image);
    cell->image = NULL;
}

static double milliseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return 1e3 * (double)now.tv_sec + 1e-6 * (double)now.tv_nsec;
}

/* The button is held while parts from `from` up to `to` lie under the camera. The cell goes on meanwhile. */
static void teach(struct cell *cell, int from, int to, const char *saved) {
    const int count = SHOWN * (to - from);
    float *images = malloc((size_t)count * cell->pixels * sizeof *images);
    const char **labels = malloc((size_t)count * sizeof *labels);
    perennial_progress progress;
    perennial_error lesson = PERENNIAL_ERROR_INIT;
    perennial_prediction said;
    perennial_learner *learner = NULL;
    uint64_t before, commits;
    double began = milliseconds(), slowest = 0;
    int i, cycles = 0;
    for (i = 0; i < count; i++) {
        const int part = from + i % (to - from);
        take(cell, part, 1000u + (uint32_t)i, images + (size_t)i * cell->pixels);
        labels[i] = part_names[part];
    }
    check(perennial_predictor_commits(cell->predictor, &before, &error));
    check(perennial_background_teach(cell->background, part_names[from], images, (size_t)count, labels, EPOCHS, &error));
    free(images);
    free(labels);
    do {
        const double asked = milliseconds();
        take(cell, from, 5000u + (uint32_t)cycles++, cell->image);
        if (before > 0) {
            check(perennial_predictor_predict(cell->predictor, cell->image, 1, &said, sizeof said, &error));
            slowest = milliseconds() - asked > slowest ? milliseconds() - asked : slowest;
        }
        check(perennial_background_poll(cell->background, before > 0 ? 0 : 100, &progress, &lesson, &error));
        if (progress.failed > 0) {
            fprintf(stderr, "the lesson failed: %s\n", lesson.message);
        }
    } while (progress.waiting > 0);
    check(perennial_predictor_commits(cell->predictor, &commits, &error));
    printf("%s: %s\n", part_names[from], commits > before ? "learned" : "not kept");
    fprintf(stderr, "learned %d frames in %.0f ms; %d frames were answered meanwhile, the slowest in %.1f ms\n", count,
            milliseconds() - began, before > 0 ? cycles : 0, slowest);
    /* Between two cycles the learner is ours for as long as it takes to save. */
    check(perennial_background_finish(&cell->background, &learner, &error));
    check(perennial_learner_save_file(learner, saved, NULL, &error));
    check(perennial_background_create(&learner, NULL, &cell->background, &error));
}

/* Cycles with the first `parts` parts; how many were named rightly. */
static int work(struct cell *cell, int parts) {
    int cycle, right = 0;
    for (cycle = 0; cycle < CYCLES * parts; cycle++) {
        const int part = cycle % parts;
        perennial_prediction said;
        take(cell, part, 100000u + (uint32_t)cycle, cell->image);
        check(perennial_predictor_predict(cell->predictor, cell->image, 1, &said, sizeof said, &error));
        right += strcmp(said.name, part_names[part]) == 0;
        printf("%s%s", said.name, (cycle + 1) % parts == 0 ? "\n" : " ");
    }
    printf("%d of %d right\n", right, CYCLES * parts);
    return right;
}

int main(int count, char **arguments) {
    static struct cell cell;
    const char *saved = count > 2 ? arguments[2] : "robot_cell.state";
    int right, again;
    if (count < 2) {
        fprintf(stderr, "usage: robot_cell MODEL [STATE]\n");
        return 2;
    }
    start(&cell, arguments[1], saved);
    teach(&cell, 0, 2, saved);
    work(&cell, 2);
    teach(&cell, 2, PARTS, saved);
    right = work(&cell, PARTS);
    stop(&cell);

    puts("-- power --");
    start(&cell, arguments[1], saved);
    again = work(&cell, PARTS);
    stop(&cell);
    return again != right || 10 * right < 8 * CYCLES * PARTS;
}
