import sys

import numpy as np
import umap

train, test, dims, out = np.load(sys.argv[1]), np.load(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
model = umap.UMAP(n_components=dims, random_state=1).fit(train.reshape(len(train), -1))
np.savez(out, codes=model.transform(test.reshape(len(test), -1)))
