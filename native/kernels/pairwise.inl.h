// Long sums in float32. Added one after the other, n terms lose about n units in the last place at worst and stand still when the sum is
// 2^24 times a term; so terms are added in short chains, and chains by halves: the error grows with the logarithm of n. Which terms meet
// follows from their number alone.

// Terms of a chain. Shorter sums are one chain and nothing else.
constexpr int64_t kChainTerms = 64;

// Terms of a chain in the tiles of products, whose many sums fill the registers: where they join what is in memory.
constexpr int64_t kTileChainTerms = 1024;

// Adds up chains by halves: a place for each power of two, as in a binary counter.
class PairwiseSum {
 public:
  inline __attribute__((always_inline)) void join(Vec chain) {
    int place = 0;
    for (; chains_ >> place & 1; ++place) chain = add(places_[place], chain);
    places_[place] = chain;
    ++chains_;
  }
  // Of all chains, and of `rest` on top.
  inline __attribute__((always_inline)) Vec total(Vec rest) const {
    for (int place = 0; chains_ >> place != 0; ++place)
      if (chains_ >> place & 1) rest = add(places_[place], rest);
    return rest;
  }

 private:
  Vec places_[48];
  uint64_t chains_ = 0;
};
