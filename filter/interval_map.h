// SPDX-License-Identifier: Apache-2.0
//
// Maps every IPv4 address to the class of the interval it lies in. The top 16 bits index a table
// that bounds a branchless binary search: at most 17 steps, mostly none. Sixteen addresses at once
// where there is AVX-512.
//
// Life cycle: built on the control side, immutable afterwards.
//
// Threading: any number of readers.
//
// Hot path: Find16() only.

#pragma once

#include <cstdint>
#include <vector>

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

namespace edgecap::filter {

class IntervalMap {
 public:
  // Interval i is starts[i] to starts[i + 1] - 1 and of classes[i].
  // REQUIRES: starts ascend strictly from 0; as many classes as starts.
  IntervalMap(std::vector<std::uint32_t> starts, std::vector<std::uint32_t> classes)
      : starts_(std::move(starts)), classes_(std::move(classes)), buckets_((1U << 16) + 1) {
    std::uint32_t at = 0;
    for (std::uint32_t bucket = 0; bucket < 1U << 16; ++bucket) {
      while (at + 1 < starts_.size() && starts_[at + 1] <= bucket << 16) ++at;
      buckets_[bucket] = at;
    }
    buckets_.back() = static_cast<std::uint32_t>(starts_.size() - 1);
  }

  [[nodiscard]] std::uint32_t Find(std::uint32_t address) const noexcept {
    std::uint32_t low = buckets_[address >> 16];
    std::uint32_t high = buckets_[(address >> 16) + 1];
    while (low < high) {
      const std::uint32_t middle = (low + high + 1) / 2;
      if (starts_[middle] <= address) {
        low = middle;
      } else {
        high = middle - 1;
      }
    }
    return classes_[low];
  }

#if defined(__AVX512F__)
  // The classes of the lanes of `which`; the others are zero.
  [[nodiscard]] __m512i Find16(__m512i addresses, __mmask16 which) const noexcept {
    const __m512i zero = _mm512_setzero_si512();
    const __m512i bucket = _mm512_srli_epi32(addresses, 16);
    __m512i low = _mm512_mask_i32gather_epi32(zero, which, bucket, buckets_.data(), 4);
    __m512i high = _mm512_mask_i32gather_epi32(zero, which, bucket, buckets_.data() + 1, 4);
    const __m512i one = _mm512_set1_epi32(1);
    for (__mmask16 open; (open = _mm512_cmplt_epu32_mask(low, high)) != 0;) {
      const __m512i middle =
          _mm512_srli_epi32(_mm512_add_epi32(_mm512_add_epi32(low, high), one), 1);
      const __m512i start = _mm512_mask_i32gather_epi32(zero, open, middle, starts_.data(), 4);
      const __mmask16 at_or_behind = _mm512_mask_cmple_epu32_mask(open, start, addresses);
      low = _mm512_mask_mov_epi32(low, at_or_behind, middle);
      high = _mm512_mask_sub_epi32(high, _kandn_mask16(at_or_behind, open), middle, one);
    }
    return _mm512_mask_i32gather_epi32(zero, which, low, classes_.data(), 4);
  }
#endif

  [[nodiscard]] std::size_t bytes() const {
    return (starts_.size() + classes_.size() + buckets_.size()) * sizeof(std::uint32_t);
  }

 private:
  std::vector<std::uint32_t> starts_;
  std::vector<std::uint32_t> classes_;
  std::vector<std::uint32_t> buckets_;
};

}  // namespace edgecap::filter
