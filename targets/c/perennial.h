/* Perennial: learning on the device, without forgetting. C99 and C++17.
 *
 * Made by tests/header.rs from src/ffi; do not edit.
 *
 * Every call gives a status; 0 is good. What went wrong is copied into the perennial_error that the call is given:
 *
 *     perennial_error error = PERENNIAL_ERROR_INIT;
 *     if (perennial_backbone_read("vit_tiny.onnx", 0, 0, &backbone, &error)) { puts(error.message); }
 *
 * On an error nothing has changed, and no result was written. A handle is the caller's until its _destroy, which takes the address of
 * the handle and sets it to null. Learners are used by one thread at a time, predictors by any number. Nothing is global.
 */

#ifndef PERENNIAL_H
#define PERENNIAL_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/**
 * The state has the task now.
 */
#define PERENNIAL_TAKEN 0

/**
 * It had it before; nothing was changed.
 */
#define PERENNIAL_ALREADY 1

/**
 * Red, green, blue, 8 bits each.
 */
#define PERENNIAL_RGB 0

/**
 * Blue, green, red, as OpenCV holds pictures.
 */
#define PERENNIAL_BGR 1

/**
 * One level a pixel.
 */
#define PERENNIAL_GRAY8 2

/**
 * Luma, then interleaved chroma of a quarter of the pixels; in one plane or in two.
 */
#define PERENNIAL_NV12 3

/**
 * Luma and chroma in turn, chroma of half the pixels.
 */
#define PERENNIAL_YUYV 4

/**
 * Luma, then both chromas of a quarter of the pixels; in one plane or in three.
 */
#define PERENNIAL_I420 5

/**
 * Bytes of a class's name in an answer, its closing zero included.
 */
#define PERENNIAL_NAME 64

/**
 * Bytes of a text of an error, its closing zero included.
 */
#define PERENNIAL_MESSAGE 1024

/**
 * What came of a call.
 */
enum perennial_status
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
  /**
   * It worked.
   */
  PERENNIAL_STATUS_OK = 0,
  /**
   * Bytes that are not what they claim to be.
   */
  PERENNIAL_STATUS_PARSE = 1,
  /**
   * Valid input that this build cannot handle.
   */
  PERENNIAL_STATUS_UNSUPPORTED = 2,
  /**
   * Shapes or types that do not fit together.
   */
  PERENNIAL_STATUS_SHAPE = 3,
  /**
   * An argument out of range, null where something is needed, or contradicting another.
   */
  PERENNIAL_STATUS_INVALID_ARGUMENT = 4,
  /**
   * A file, class or task that does not exist.
   */
  PERENNIAL_STATUS_NOT_FOUND = 5,
  /**
   * More than was promised, or than the caller's buffer holds.
   */
  PERENNIAL_STATUS_BUDGET = 6,
  /**
   * NaN, infinity, or a factorization that failed.
   */
  PERENNIAL_STATUS_NUMERIC = 7,
  /**
   * A call in the wrong phase, or while another thread uses the handle.
   */
  PERENNIAL_STATUS_STATE = 8,
  /**
   * Stored bytes were damaged.
   */
  PERENNIAL_STATUS_CORRUPT = 9,
  /**
   * State that belongs to another backbone, configuration or format.
   */
  PERENNIAL_STATUS_MISMATCH = 10,
  /**
   * The medium failed.
   */
  PERENNIAL_STATUS_IO = 11,
  /**
   * The inference engine refused or failed.
   */
  PERENNIAL_STATUS_ENGINE = 12,
  /**
   * A broken invariant of the library. Please report it.
   */
  PERENNIAL_STATUS_BUG = 13,
  /**
   * A check that protects what is known said no.
   */
  PERENNIAL_STATUS_REFUSED = 14,
  /**
   * The caller ended it.
   */
  PERENNIAL_STATUS_INTERRUPTED = 15,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum perennial_status perennial_status;
#else
typedef uint32_t perennial_status;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * A frozen network, as it was read.
 */
typedef struct perennial_backbone perennial_backbone;

/**
 * A learner on a thread of its own. Any thread may call it, but for its end.
 */
typedef struct perennial_background perennial_background;

/**
 * A signed task.
 */
typedef struct perennial_bundle perennial_bundle;

/**
 * Learns classes, task after task. One thread at a time.
 */
typedef struct perennial_learner perennial_learner;

/**
 * Answers from what a learner last committed.
 */
typedef struct perennial_predictor perennial_predictor;

/**
 * Turns frames into the input of a network, with memory that it uses again. One thread at a time.
 */
typedef struct perennial_preprocess perennial_preprocess;

/**
 * What a learner knew when it was stored.
 */
typedef struct perennial_state perennial_state;

/**
 * Where an error is written to. Set `struct_size` before a call.
 */
typedef struct perennial_error {
  /**
   * `sizeof(perennial_error)`.
   */
  size_t struct_size;
  /**
   * As the call returned it.
   */
  uint32_t status;
  /**
   * What went wrong, where, and the next move; cut off where it is longer.
   */
  char message[PERENNIAL_MESSAGE];
} perennial_error;

/**
 * How a learner works in the background.
 */
typedef struct perennial_background_options {
  /**
   * `sizeof(perennial_background_options)`.
   */
  size_t struct_size;
  /**
   * Threads on which micro-batches run beside each other.
   */
  size_t threads;
  /**
   * Lessons that may wait.
   */
  size_t queue;
  /**
   * Niceness of these threads, -20 to 19, where `set_nice` is not 0. Linux only.
   */
  int32_t nice;
  /**
   * Whether `nice` is meant.
   */
  uint32_t set_nice;
  /**
   * Not 0 to wait for `perennial_background_step` from the start.
   */
  uint32_t paused;
  /**
   * Not used; 0.
   */
  uint32_t reserved;
} perennial_background_options;

/**
 * What came of the lessons.
 */
typedef struct perennial_progress {
  /**
   * Lessons that wait or are being taught.
   */
  uint64_t waiting;
  /**
   * Lessons whose end this call tells of: those since the last call.
   */
  uint64_t kept;
  /**
   * Of these, the ones that the verdict spoke against: they were taken back.
   */
  uint64_t refused;
  /**
   * Of these, the ones that failed or were interrupted: they were taken back.
   */
  uint64_t failed;
} perennial_progress;

/**
 * What a maker says of a bundle. Set what is not needed to 0.
 */
typedef struct perennial_bundle_options {
  /**
   * `sizeof(perennial_bundle_options)`.
   */
  size_t struct_size;
  /**
   * Number of this version of the task; receivers refuse smaller ones than they have had.
   */
  uint64_t counter;
  /**
   * Seconds since 1970 when it was made.
   */
  uint64_t created;
  /**
   * Seconds since 1970 after which it is refused, or 0.
   */
  uint64_t expires;
  /**
   * Where it comes from, in the maker's words; null for nothing.
   */
  const char *note;
} perennial_bundle_options;

/**
 * What a network expects of its images. Start from [`perennial_preprocess_default`].
 */
typedef struct perennial_preprocess_options {
  /**
   * `sizeof(perennial_preprocess_options)`.
   */
  size_t struct_size;
  /**
   * The short side gets so many pixels; 0 where `resize_width` and `resize_height` are meant, or no resize.
   */
  uint32_t resize_short;
  /**
   * Pixels in a row after the resize.
   */
  uint32_t resize_width;
  /**
   * Rows after the resize.
   */
  uint32_t resize_height;
  /**
   * Side of the centred square that is kept; 0 keeps everything.
   */
  uint32_t crop;
  /**
   * "bicubic", "bilinear", "nearest", "box", "hamming" or "lanczos"; null for bicubic.
   */
  const char *filter;
  /**
   * Factor on the levels, usually 1/255.
   */
  float scale;
  /**
   * Subtracted per channel, red first, after the scale.
   */
  float mean[3];
  /**
   * Divisor per channel, after the mean.
   */
  float std[3];
} perennial_preprocess_options;

/**
 * A frame in the caller's memory. Set what is not needed to 0.
 */
typedef struct perennial_frame {
  /**
   * `sizeof(perennial_frame)`.
   */
  size_t struct_size;
  /**
   * `PERENNIAL_RGB` and the like.
   */
  uint32_t format;
  /**
   * Pixels in a row.
   */
  uint32_t width;
  /**
   * Rows.
   */
  uint32_t height;
  /**
   * Not 0 for luma and chroma of BT.709; BT.601 otherwise.
   */
  uint32_t bt709;
  /**
   * Not 0 where luma and chroma have all 256 levels, as in JPEG.
   */
  uint32_t full_range;
  /**
   * What is of interest: its left column.
   */
  uint32_t x;
  /**
   * Its upper row.
   */
  uint32_t y;
  /**
   * Pixels in a row of it; 0 for the whole frame.
   */
  uint32_t region_width;
  /**
   * Its rows; 0 for the whole frame.
   */
  uint32_t region_height;
  /**
   * Not used; 0.
   */
  uint32_t reserved;
  /**
   * The planes; those behind the first are null unless chroma lies in buffers of its own.
   */
  const uint8_t *planes[3];
  /**
   * Bytes of each.
   */
  size_t lengths[3];
  /**
   * Bytes from a row to the next in each.
   */
  size_t strides[3];
} perennial_frame;

/**
 * The answer for one image.
 */
typedef struct perennial_prediction {
  /**
   * Number of the best class.
   */
  uint32_t class_index;
  /**
   * Number of the task whose signature and classes explain the image best.
   */
  uint32_t task;
  /**
   * Score of the class; comparable between classes only.
   */
  float score;
  /**
   * How close the image is to the nearest class, in standard deviations of held-out images; below zero is farther than their mean.
   */
  float familiarity;
  /**
   * 1 where the image looks like nothing that was learned, else 0.
   */
  uint32_t unknown;
  /**
   * Name of the class, cut off where it is longer.
   */
  char name[PERENNIAL_NAME];
} perennial_prediction;

/**
 * A line of the log: 1 an error, 2 a warning, 3 a note. `message` is gone when the callback comes back.
 */
typedef void (*perennial_log_fn)(void *context, uint32_t level, const char *message);

/**
 * Options of a learner. Start from [`perennial_options_default`].
 */
typedef struct perennial_options {
  /**
   * `sizeof(perennial_options)`, as [`perennial_options_default`] has set it.
   */
  size_t struct_size;
  /**
   * Who runs the graphs: "tract", "rten", or "onnxruntime[:PROVIDER[+cpu][,KEY=VALUE]..]"; null for tract.
   */
  const char *engine;
  /**
   * Threads of the engine; tract takes one a micro-batch.
   */
  size_t threads;
  /**
   * Name of the strategy; null for "perennial".
   */
  const char *strategy;
  /**
   * Which layers are adapted, such as "q,v"; null for these.
   */
  const char *roles;
  /**
   * In the last so many transformer blocks, or in all for 0 and where there are fewer.
   */
  size_t blocks;
  /**
   * Rank of every adapter.
   */
  size_t rank;
  /**
   * Scaling is alpha over rank; 0 for a scaling of 1.
   */
  float alpha;
  /**
   * Learning rate; 0 for the usual one.
   */
  float learning_rate;
  /**
   * Pictures an optimizer step.
   */
  size_t batch;
  /**
   * Pictures a pass through the engine.
   */
  size_t micro;
  /**
   * Columns of a random-feature head.
   */
  size_t random_features;
  /**
   * Crops in which a picture is learned, 1 to 5; 0 for as many as the strategy wants.
   */
  size_t crops;
  /**
   * Everything random derives from it.
   */
  uint64_t seed;
  /**
   * Promised bytes of RAM, or 0: settings become as small as it takes, and what cannot fit is refused.
   */
  uint64_t ram;
  /**
   * Promised bytes of a stored state, or 0.
   */
  uint64_t flash;
  /**
   * Bytes of RAM for what is kept of a task's pictures.
   */
  uint64_t cache;
  /**
   * A folder for a file without a name, gone with the task, that takes most of what is kept of its pictures; null for none.
   */
  const char *spill_folder;
  /**
   * Most bytes of that file.
   */
  uint64_t spill;
  /**
   * Classes that are planned for.
   */
  size_t classes;
  /**
   * Longest time of a pass of a training step in microseconds, or 0.
   */
  uint64_t step_time_us;
  /**
   * Not 0 where tasks are to be exported as bundles.
   */
  uint32_t sharing;
  /**
   * Not used; 0.
   */
  uint32_t reserved;
  /**
   * Called with what the library has to say, on the threads of the calls; null for nobody.
   */
  perennial_log_fn log;
  /**
   * First argument of `log`, for any thread.
   */
  void *log_context;
} perennial_options;

/**
 * A stretch of a medium that is erased in sectors, and the caller's functions for it, each of which gives 0 where it worked.
 *
 * They are called during calls that are given the medium, on their thread, and never afterwards. A write may be lost, torn or
 * reordered with others until `sync` has come back. Erased bytes read as 0xff.
 */
typedef struct perennial_medium {
  /**
   * `sizeof(perennial_medium)`.
   */
  size_t struct_size;
  /**
   * First argument of all functions.
   */
  void *context;
  /**
   * Bytes in all, whole sectors. A state takes half of them at most.
   */
  uint64_t size;
  /**
   * Bytes that are erased together.
   */
  uint64_t sector;
  /**
   * Bytes that are written together; 1 where any number can be.
   */
  uint64_t word;
  /**
   * Reads `length` bytes at `at`.
   */
  int32_t (*read)(void *context, uint64_t at, uint8_t *bytes, size_t length);
  /**
   * Writes `length` bytes, whole words, at `at`, into erased sectors.
   */
  int32_t (*write)(void *context, uint64_t at, const uint8_t *bytes, size_t length);
  /**
   * Erases the sectors from `from` up to `to`.
   */
  int32_t (*erase)(void *context, uint64_t from, uint64_t to);
  /**
   * Comes back when all that was written would survive a power cut; null where writes do.
   */
  int32_t (*sync)(void *context);
} perennial_medium;

/**
 * What an optimizer step did.
 */
typedef struct perennial_step {
  /**
   * Mean cross-entropy over its pictures, before the step.
   */
  float loss;
  /**
   * Share of them that were right, before the step.
   */
  float accuracy;
} perennial_step;

/**
 * What a finished task did.
 */
typedef struct perennial_report {
  /**
   * Pictures seen.
   */
  uint64_t images;
  /**
   * Pictures that its statistics were made from.
   */
  uint64_t kept;
  /**
   * Bytes of the state, without the backbone.
   */
  uint64_t state_bytes;
  /**
   * Components of its signature.
   */
  uint32_t components;
  /**
   * How often training went back and on more slowly.
   */
  uint32_t restarts;
  /**
   * 1 where nothing speaks against keeping it, else 0: `perennial_learner_commit` would refuse it.
   */
  uint32_t passed;
  /**
   * Not used; 0.
   */
  uint32_t reserved;
} perennial_report;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Version of the library, such as "0.1.0"; a string that lives for ever.
 */
const char *perennial_version(void);

/**
 * Reads an ONNX file. `height` and `width` are those of an image where the file leaves them open, otherwise 0.
 *
 * Every pointer is valid or null.
 */
perennial_status perennial_backbone_read(const char *path,
                                         size_t height,
                                         size_t width,
                                         struct perennial_backbone **out,
                                         struct perennial_error *error);

/**
 * The same from the bytes of a file, which are not needed any more afterwards.
 *
 * Every pointer is valid or null.
 */
perennial_status perennial_backbone_from_bytes(const uint8_t *bytes,
                                               size_t length,
                                               size_t height,
                                               size_t width,
                                               struct perennial_backbone **out,
                                               struct perennial_error *error);

/**
 * SHA-256 of the file's bytes, 32 bytes: what a state is bound to.
 *
 * Every pointer is valid or null.
 */
perennial_status perennial_backbone_sha256(const struct perennial_backbone *backbone,
                                           uint8_t *out,
                                           struct perennial_error *error);

/**
 * Lets go of a backbone; a learner does not need it any more once it is built.
 *
 * `backbone` is null or the address of a handle.
 */
void perennial_backbone_destroy(struct perennial_backbone **backbone);

/**
 * Gives a learner a thread of its own; the caller's handle is null then. `options` may be null for one thread and eight lessons. `IO` where
 * the system gives no thread: the learner is gone then, and its stored state is what to go on from.
 *
 * Every pointer is valid or null; no thread uses the learner.
 */
perennial_status perennial_background_create(struct perennial_learner **learner,
                                             const struct perennial_background_options *options,
                                             struct perennial_background **out,
                                             struct perennial_error *error);

/**
 * Puts a task at the end of the queue: `count` preprocessed images, which are copied, with their labels, in `epochs` passes. It is
 * committed where nothing speaks against it, and taken back otherwise. `BUDGET` where the queue is full: nothing was taken.
 *
 * Every pointer is valid or null.
 */
perennial_status perennial_background_teach(const struct perennial_background *background,
                                            const char *name,
                                            const float *images,
                                            size_t count,
                                            const char *const *labels,
                                            size_t epochs,
                                            struct perennial_error *error);

/**
 * Works for so many microseconds and pauses; at least one pass through the engine is made. `progress` may be null.
 *
 * Every pointer is valid or null.
 */
perennial_status perennial_background_step(const struct perennial_background *background,
                                           uint64_t microseconds,
                                           uint32_t *working,
                                           struct perennial_error *error);

/**
 * Works whenever there is work, or not at all, for `pause` not 0.
 *
 * Every pointer is valid or null.
 */
perennial_status perennial_background_pause(const struct perennial_background *background,
                                            uint32_t pause,
                                            struct perennial_error *error);

/**
 * Ends the lesson that is being taught; it is taken back.
 *
 * Every pointer is valid or null.
 */
perennial_status perennial_background_interrupt(const struct perennial_background *background,
                                                struct perennial_error *error);

/**
 * What came of the lessons since the last call. Waits for no more than `milliseconds` until none is left. `lesson` is the error of the last
 * one that failed; it is left as it was where none did, and may be null.
 *
 * Every pointer is valid or null.
 */
perennial_status perennial_background_poll(const struct perennial_background *background,
                                           uint64_t milliseconds,
                                           struct perennial_progress *progress,
                                           struct perennial_error *lesson,
                                           struct perennial_error *error);

/**
 * A predictor that follows the learner's commits.
 *
 * Every pointer is valid or null.
 */
perennial_status perennial_background_predictor(const struct perennial_background *background,
                                                struct perennial_predictor **out,
                                                struct perennial_error *error);

/**
 * Teaches what is in the queue and gives the learner back; the caller's background is null then.
 *
 * Every pointer is valid or null; no other thread uses the background.
 */
perennial_status perennial_background_finish(struct perennial_background **background,
                                             struct perennial_learner **learner,
                                             struct perennial_error *error);

/**
 * Ends the lesson that is being taught, teaches no other, and lets go of the learner.
 *
 * `background` is null or the address of a handle that no thread uses.
 */
void perennial_background_destroy(struct perennial_background **background);

/**
 * Writes to `maker`, of 32 bytes, by whom bundles are that are signed with `secret`, 32 random bytes that stay where they are.
 *
 * Every pointer is valid or null.
 */
perennial_status perennial_maker(const uint8_t *secret,
                                 uint8_t *maker,
                                 struct perennial_error *error);

/**
 * Signs what the task that has just ended taught, before it is committed or rolled back. `STATE` where nothing can be shared: the learner was
 * made without `sharing`, or it is the first task, which others have to have in common.
 *
 * Every pointer is valid or null; `secret` has 32 bytes.
 */
perennial_status perennial_learner_bundle(struct perennial_learner *learner,
                                          const struct perennial_preprocess *preprocess,
                                          const struct perennial_bundle_options *options,
                                          const uint8_t *secret,
                                          struct perennial_bundle **out,
                                          struct perennial_error *error);

/**
 * Reads a bundle; nothing of it is looked at before its signature holds.
 *
 * Every pointer is valid or null.
 */
perennial_status perennial_bundle_read(const uint8_t *content,
                                       size_t length,
                                       struct perennial_bundle **out,
                                       struct perennial_error *error);

/**
 * The bytes to be sent or stored, as long as the handle lives; who signed them, and their SHA-256, 32 bytes each where not null.
 *
 * Every pointer is valid or null.
 */
perennial_status perennial_bundle_bytes(const struct perennial_bundle *bundle,
                                        const uint8_t **content,
                                        size_t *length,
                                        uint8_t *maker,
                                        uint8_t *id,
                                        struct perennial_error *error);

/**
 * Takes a bundle over, after every check and a trial on what is known; committed at once. `makers` are `count` times 32 bytes: who is
 * trusted. `now` is in seconds since 1970, or 0 where there is no clock: then only bundles that never expire are taken. `name` is another
 * name for the task, or null. `outcome` is `PERENNIAL_TAKEN` or `PERENNIAL_ALREADY`. `REFUSED` where it would do harm here.
 *
 * Every pointer is valid or null.
 */
perennial_status perennial_learner_take(struct perennial_learner *learner,
                                        const struct perennial_bundle *bundle,
                                        const struct perennial_preprocess *preprocess,
                                        const uint8_t *makers,
                                        size_t count,
                                        uint64_t now,
                                        const char *name,
                                        uint32_t *outcome,
                                        struct perennial_error *error);

/**
 * Lets go of a bundle.
 *
 * `bundle` is null or the address of a handle.
 */
void perennial_bundle_destroy(struct perennial_bundle **bundle);

/**
 * Writes what vision transformers usually expect for images of `side` pixels: short side `side / 0.9`, bicubic, centre crop, mean and
 * deviation 0.5. `struct_size` is `sizeof(perennial_preprocess_options)`.
 *
 * Every pointer is valid or null.
 */
perennial_status perennial_preprocess_default(struct perennial_preprocess_options *options,
                                              size_t struct_size,
                                              uint32_t side,
                                              struct perennial_error *error);

/**
 * Makes what turns frames into images of `backbone`; `options` may be null for the usual ones. Another size than the backbone's is
 * refused.
 *
 * Every pointer is valid or null.
 */
perennial_status perennial_preprocess_create(const struct perennial_backbone *backbone,
                                             const struct perennial_preprocess_options *options,
                                             struct perennial_preprocess **out,
                                             struct perennial_error *error);

/**
 * Writes a frame's region as `[3, height, width]` into `image`, which has room for `length` numbers: resized, cropped, normalised. Nothing
 * is allocated for a frame of a geometry that was seen before.
 *
 * Every pointer is valid or null.
 */
perennial_status perennial_preprocess_frame(const struct perennial_preprocess *preprocess,
                                            const struct perennial_frame *frame,
                                            float *image,
                                            size_t length,
                                            struct perennial_error *error);

/**
 * Lets go of a preprocess.
 *
 * `preprocess` is null or the address of a handle that no thread uses.
 */
void perennial_preprocess_destroy(struct perennial_preprocess **preprocess);

/**
 * Classifies images as the learner is now, with a task that is not committed yet; otherwise as `perennial_predictor_predict`.
 *
 * Every pointer is valid or null.
 */
perennial_status perennial_learner_predict(struct perennial_learner *learner,
                                           const float *images,
                                           size_t count,
                                           struct perennial_prediction *out,
                                           size_t out_size,
                                           struct perennial_error *error);

/**
 * A predictor that follows this learner's commits.
 *
 * Every pointer is valid or null.
 */
perennial_status perennial_learner_predictor(struct perennial_learner *learner,
                                             struct perennial_predictor **out,
                                             struct perennial_error *error);

/**
 * Forgets a class for good, committed at once; other classes score what they did.
 *
 * Every pointer is valid or null.
 */
perennial_status perennial_learner_forget_class(struct perennial_learner *learner,
                                                const char *name,
                                                struct perennial_error *error);

/**
 * Forgets a task with all its classes for good, committed at once.
 *
 * Every pointer is valid or null.
 */
perennial_status perennial_learner_forget_task(struct perennial_learner *learner,
                                               const char *name,
                                               struct perennial_error *error);

/**
 * How many classes were met so far, forgotten ones included, and how many tasks are known. Either may be null.
 *
 * Every pointer is valid or null.
 */
perennial_status perennial_learner_counts(struct perennial_learner *learner,
                                          size_t *classes,
                                          size_t *tasks,
                                          struct perennial_error *error);

/**
 * Name of class `index`; empty for one that was forgotten.
 *
 * Every pointer is valid or null.
 */
perennial_status perennial_learner_class_name(struct perennial_learner *learner,
                                              size_t index,
                                              char *buffer,
                                              size_t capacity,
                                              size_t *needed,
                                              struct perennial_error *error);

/**
 * Name of task `index`.
 *
 * Every pointer is valid or null.
 */
perennial_status perennial_learner_task_name(struct perennial_learner *learner,
                                             size_t index,
                                             char *buffer,
                                             size_t capacity,
                                             size_t *needed,
                                             struct perennial_error *error);

/**
 * How task `index` was learned, as JSON: what it takes to learn it again, byte for byte. `UNSUPPORTED` for one that came in a bundle, and
 * for one that others were made one with.
 *
 * Every pointer is valid or null.
 */
perennial_status perennial_learner_task_receipt(struct perennial_learner *learner,
                                                size_t index,
                                                char *buffer,
                                                size_t capacity,
                                                size_t *needed,
                                                struct perennial_error *error);

/**
 * Bytes of the committed state, without the backbone, and of its record on a medium at most. Either may be null.
 *
 * Every pointer is valid or null.
 */
perennial_status perennial_learner_state_bytes(struct perennial_learner *learner,
                                               uint64_t *bytes,
                                               uint64_t *stored,
                                               struct perennial_error *error);

/**
 * Builds a learner: the slow work and the refusing happen here. `options` may be null for the defaults. `state` may be null for a new
 * one; otherwise strategy and settings are the state's. Neither is needed afterwards, nor is the backbone.
 *
 * Every pointer is valid or null.
 */
perennial_status perennial_learner_create(const struct perennial_backbone *backbone,
                                          const struct perennial_options *options,
                                          const struct perennial_state *state,
                                          struct perennial_learner **out,
                                          struct perennial_error *error);

/**
 * Lets go of a learner. What was not saved is gone; its predictors go on answering.
 *
 * `learner` is null or the address of a handle that no thread uses.
 */
void perennial_learner_destroy(struct perennial_learner **learner);

/**
 * Channels, height and width of an image: three numbers.
 *
 * Every pointer is valid or null.
 */
perennial_status perennial_learner_image_shape(struct perennial_learner *learner,
                                               size_t *shape,
                                               struct perennial_error *error);

/**
 * Planned bytes of RAM, and, where `buffer` is not null, the plan as text.
 *
 * Every pointer is valid or null.
 */
perennial_status perennial_learner_footprint(struct perennial_learner *learner,
                                             uint64_t *bytes,
                                             char *buffer,
                                             size_t capacity,
                                             size_t *needed,
                                             struct perennial_error *error);

/**
 * Erases a medium for its first state, whatever it holds.
 *
 * Every pointer is valid or null.
 */
perennial_status perennial_medium_format(const struct perennial_medium *medium, struct perennial_error *error);

/**
 * Writes the defaults, and the size; `struct_size` is `sizeof(perennial_options)`.
 *
 * Every pointer is valid or null.
 */
perennial_status perennial_options_default(struct perennial_options *options,
                                           size_t struct_size,
                                           struct perennial_error *error);

/**
 * Classifies `count` preprocessed images, `[count, channels, height, width]`. `out` has room for as many answers of `out_size`
 * bytes, `sizeof(perennial_prediction)`. Any thread may call this at any time; it does not wait for the learner.
 *
 * Every pointer is valid or null.
 */
perennial_status perennial_predictor_predict(const struct perennial_predictor *predictor,
                                             const float *images,
                                             size_t count,
                                             struct perennial_prediction *out,
                                             size_t out_size,
                                             struct perennial_error *error);

/**
 * How many changes were kept so far; another number is another model.
 *
 * Every pointer is valid or null.
 */
perennial_status perennial_predictor_commits(const struct perennial_predictor *predictor,
                                             uint64_t *commits,
                                             struct perennial_error *error);

/**
 * Lets go of a predictor; the learner's others go on.
 *
 * `predictor` is null or the address of a handle.
 */
void perennial_predictor_destroy(struct perennial_predictor **predictor);

/**
 * Loads the newest intact state of a medium. `key` is null, or the 32 bytes it was sealed with.
 *
 * Every pointer is valid or null.
 */
perennial_status perennial_state_load(const struct perennial_medium *medium,
                                      const uint8_t *key,
                                      struct perennial_state **out,
                                      struct perennial_error *error);

/**
 * Loads the state of a file. `key` is null, or the 32 bytes it was sealed with.
 *
 * Every pointer is valid or null.
 */
perennial_status perennial_state_load_file(const char *path,
                                           const uint8_t *key,
                                           struct perennial_state **out,
                                           struct perennial_error *error);

/**
 * Lets go of a state.
 *
 * `state` is null or the address of a handle.
 */
void perennial_state_destroy(struct perennial_state **state);

/**
 * Saves the committed state beside the one before it, which is what stays where this fails or the power does. `key` is null, or 32
 * bytes that nobody can read the state without.
 *
 * Every pointer is valid or null.
 */
perennial_status perennial_learner_save(struct perennial_learner *learner,
                                        const struct perennial_medium *medium,
                                        const uint8_t *key,
                                        struct perennial_error *error);

/**
 * Saves the committed state in a file, all or nothing. `key` as for [`perennial_learner_save`].
 *
 * Every pointer is valid or null.
 */
perennial_status perennial_learner_save_file(struct perennial_learner *learner,
                                             const char *path,
                                             const uint8_t *key,
                                             struct perennial_error *error);

/**
 * Opens a task.
 *
 * Every pointer is valid or null.
 */
perennial_status perennial_learner_begin_task(struct perennial_learner *learner,
                                              const char *name,
                                              struct perennial_error *error);

/**
 * Learns from `count` preprocessed images, `[count, channels, height, width]`, and their labels. `last` is what the last optimizer step
 * did; it is left as it was where the strategy trains nothing, and may be null.
 *
 * Every pointer is valid or null.
 */
perennial_status perennial_learner_observe(struct perennial_learner *learner,
                                           const float *images,
                                           size_t count,
                                           const char *const *labels,
                                           struct perennial_step *last,
                                           struct perennial_error *error);

/**
 * One more pass over what is kept of the open task's images. `last` as for `perennial_learner_observe`.
 *
 * Every pointer is valid or null.
 */
perennial_status perennial_learner_epoch(struct perennial_learner *learner,
                                         struct perennial_step *last,
                                         struct perennial_error *error);

/**
 * Ends the open task; it is to be committed or rolled back then. `report` may be null.
 *
 * Every pointer is valid or null.
 */
perennial_status perennial_learner_end_task(struct perennial_learner *learner,
                                            struct perennial_report *report,
                                            struct perennial_error *error);

/**
 * All that is known of the task that ended last, as one JSON document: classes, certificate, verdict with its objections.
 *
 * Every pointer is valid or null.
 */
perennial_status perennial_learner_report_json(struct perennial_learner *learner,
                                               char *buffer,
                                               size_t capacity,
                                               size_t *needed,
                                               struct perennial_error *error);

/**
 * Keeps the task that has ended, for predictors too. `REFUSED` where its verdict holds objections, unless `anyway` is not 0.
 *
 * Every pointer is valid or null.
 */
perennial_status perennial_learner_commit(struct perennial_learner *learner,
                                          uint32_t anyway,
                                          struct perennial_error *error);

/**
 * Returns to the state before the open or undecided task, bit for bit.
 *
 * Every pointer is valid or null.
 */
perennial_status perennial_learner_rollback(struct perennial_learner *learner, struct perennial_error *error);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* PERENNIAL_H */

/* An error that nothing was written to yet. */
#define PERENNIAL_ERROR_INIT { sizeof(perennial_error), 0, "" }
