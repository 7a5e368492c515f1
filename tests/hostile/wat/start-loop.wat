;; Computes without end before it was called.

;; -- items
(func $start (loop $on (br $on)))
(start $start)
