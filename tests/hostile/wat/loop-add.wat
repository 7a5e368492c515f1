;; Computes without end in `add`.

;; -- add
(loop $on (br $on))
