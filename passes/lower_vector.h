// Several neighbouring elements of a value in one lane: wide loads and stores under lk_elem.
//
// The elements of a lane are lowered one after the other, by the same recursion: *copy* c asks for
// the element whose index along one dimension is place + c. A load whose index copy 0 shows to be
// place + something that copies share, all of it a multiple of the vector's length, becomes one
// wide load that the copies take their element from; any other one stays a load of an element in
// each copy. So an operand that is transposed, gathered or broadcast costs what it costs, and no
// other operand pays for it. Private to lowering; thread-compatible.
#ifndef AICC_PASSES_LOWER_VECTOR_H
#define AICC_PASSES_LOWER_VECTOR_H

#include "passes/lower.h"

enum { LK_VECTOR_MAX = 8 };  // elements

typedef struct lk_vector_load {
  kir_val buffer, array;  // array 0: an element in each copy
} lk_vector_load;

typedef struct lk_vector_store_to {
  kir_val array, first;  // elements to store, or 0; where the first of them goes
} lk_vector_store_to;

typedef struct lk_vector {
  int count;              // elements: 1 .. LK_VECTOR_MAX, a power of two
  int copy;
  kir_val place;          // of copy 0: a varying i64, a multiple of count
  int depth;              // of the blocks that copies stand in
  lk_vector_load *loads;  // those of copy 0 that differ between copies, in order
  size_t load_count, load_capacity;
  size_t next;            // of them, in the copy at hand
  lk_vector_store_to *stores;
  size_t store_count, store_capacity, next_store;
} lk_vector;

// Begins the copies of |count| elements; |place| as above, 0 where count is 1 (then nothing
// changes). The kernel's vector is |v| until lk_vector_end.
void lk_vector_begin(lower_kernel *lk, lk_vector *v, int count, kir_val place);
// What follows is of copy |copy|, from 0 on, whose index is place + copy.
void lk_vector_copy(lower_kernel *lk, int copy);
// Like lk_store, but nothing is stored where a guard of the kernel does not hold; the wide store
// comes with the last copy.
void lk_vector_store(lower_kernel *lk, kir_val buffer, aicc_dtype dtype, kir_val linear,
                     kir_val value);
void lk_vector_end(lower_kernel *lk);

// Inside lk_load. False: the load is for the caller to make.
bool lk_vector_load_element(lower_kernel *lk, kir_val buffer, aicc_dtype dtype, kir_val linear,
                            kir_val *out);

// The elements that a lane should take at a time of a value of |dtype| and the group's operands,
// where they run along a dimension of |last| (0: of any size); 1 where nothing wide is to be had.
int lk_vector_choose(const lower_kernel *lk, aicc_dtype dtype, aicc_dim last, int cost);
// Whether |v| is proven to be a multiple of |count|, whatever place is.
bool lk_is_multiple(const lower_kernel *lk, kir_val v, int64_t count);

#endif
