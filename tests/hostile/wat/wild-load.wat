;; Reads beyond its memory.

;; -- add
(drop (i64.load (i32.const -8)))
