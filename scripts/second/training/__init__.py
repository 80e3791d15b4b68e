"""Training of the second edition: stages that stop and go on anywhere, on CPU and CUDA."""
