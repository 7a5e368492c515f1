;; Computes without end in `keys`.

;; -- keys
(loop $on (br $on))
