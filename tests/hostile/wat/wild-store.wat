;; Writes beyond its memory.

;; -- add
(i64.store (i32.const -8) (i64.const 1))
