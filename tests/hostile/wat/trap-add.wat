;; Crashes in `add`.

;; -- add
(unreachable)
